"""The encoders of this machine, safe to use from several request threads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from retrieval.audio import Limits, Sound, open_audio
from retrieval.core.budget import Budget
from retrieval.core.errors import InvalidInputError, PreconditionError
from retrieval.core.spaces import DenseVector, EmbeddingSpace, Statistics, Vector
from retrieval.encoders.audio_pass import PreparedTrack, forward_tracks, prepare_track
from retrieval.encoders.cohort import Cohort, HasCohort
from retrieval.encoders.protocol import AudioEncoder, Encoder, HasReference, TextEncoder
from retrieval.search.faults import at_fault
from retrieval.search.text_batches import TextBatches, TextCounts
from retrieval.search.text_cache import DEFAULT_ENTRIES, TextCache
from retrieval.search.turns import Turns


class Decoder(Protocol):
    """Turns hostile bytes into sound, apart from this process (``audio.IsolatedDecoder``)."""

    def decode(self, data: bytes, limits: Limits, *, name: str) -> Sound:
        """The whole sound.

        Raises:
            AudioError: If the bytes are not usable audio within the limits.
        """
        ...


class Encoding:
    """Encodes queries.

    One thread at a time goes forward with the texts of an encoder, and one with its sounds: these
    are different networks, and a word never waits for a whole upload.
    """

    def __init__(
        self,
        encoders: Mapping[str, Encoder],
        *,
        decoder: Decoder | None = None,
        limits: Limits | None = None,
        text_cache: int = DEFAULT_ENTRIES,
    ) -> None:
        """Take the encoders of this machine.

        Args:
            encoders: By the name of the space they fill.
            decoder: Decodes audio queries; None decodes in this process.
            limits: Bounds on the sound of a query.
            text_cache: Vectors of repeated texts to keep; 0 keeps none.
        """
        self._encoders = dict(encoders)
        self._decoder = decoder
        self._limits = limits if limits is not None else Limits()
        self._sound_turns = {name: Turns() for name in self._encoders}
        cache = TextCache(text_cache)
        self._texts = {
            name: TextBatches(encoder, cache)
            for name, encoder in self._encoders.items()
            if isinstance(encoder, TextEncoder)
        }

    def has(self, space: EmbeddingSpace) -> bool:
        """Whether an encoder of the very same revision is here."""
        encoder = self._encoders.get(space.name)
        return encoder is not None and encoder.space.revision == space.revision

    def revision(self, space: EmbeddingSpace) -> str | None:
        """Revision of the encoder for a space of this name; None without an encoder."""
        encoder = self._encoders.get(space.name)
        return None if encoder is None else encoder.space.revision

    def problem(self, space: EmbeddingSpace) -> str:
        """Why queries cannot be encoded for a space here, and what to do; empty if they can."""
        if self.has(space):
            return ""
        revision = self.revision(space)
        if revision is None:
            return (
                f"no encoder for space {space.name!r} is installed here; "
                "search it with a stored track or a ready-made vector"
            )
        return (
            f"the library's {space.name!r} was made by revision {space.revision}, the encoder here "
            f"is {revision}; bring it up to date with `segue index --upgrade`, or use the other"
        )

    def reference(self, space: EmbeddingSpace) -> Statistics | None:
        """The encoder's own statistics of a weighted-Euclidean space, if it is here."""
        if not self.has(space):
            return None
        encoder: object = self._encoders[space.name]
        return encoder.reference if isinstance(encoder, HasReference) else None

    def cohort(self, space: EmbeddingSpace) -> Cohort | None:
        """The sounds by which texts are judged in a space, if its encoder brings some."""
        encoder: object = self._encoders.get(space.name)
        return encoder.cohort() if self.has(space) and isinstance(encoder, HasCohort) else None

    def texts(
        self, space: EmbeddingSpace, texts: Sequence[str], budget: Budget
    ) -> list[Vector | InvalidInputError]:
        """Encode texts, together with those that other requests wait for.

        Args:
            space: A text space whose encoder is here.
            texts: The texts.
            budget: Of the request; checked while it waits for the encoder.

        Returns:
            For each text its vector, which cannot be written to, or why it says nothing in this
            space.

        Raises:
            DeadlineError: If the deadline passes while the texts wait.
            CancelledError: If the caller goes away while they wait.
        """
        batches = self._texts.get(space.name)
        if batches is None:
            raise _mute(space, "text")
        return batches.encode(texts, budget)

    def text_counts(self) -> Mapping[str, TextCounts]:
        """What became of the texts that were asked for, by space."""
        return {name: batches.counts() for name, batches in self._texts.items()}

    def sounds(
        self,
        spaces: Sequence[EmbeddingSpace],
        sounds: Sequence[tuple[str, bytes]],
        budget: Budget,
    ) -> list[Mapping[str, Vector]]:
        """Encode sound files, each decoded once, in one batch per space.

        Args:
            spaces: Audio spaces whose encoders are here.
            sounds: The field of the request each came in, and the encoded file.
            budget: Of the request; checked before every encoder's turn.

        Returns:
            For each sound its vector per space; a space that hears only silence is absent.

        Raises:
            AudioError: If one of them is not usable audio within the limits.
            DeadlineError: If the deadline passes first.
            CancelledError: If the caller goes away first.
        """
        encoders = [self._audio(space) for space in spaces]
        prepared = [self._prepare(name, data, encoders) for name, data in sounds]
        vectors: list[dict[str, DenseVector]] = [{} for _ in prepared]
        for encoder in encoders:
            with self._sound_turns[encoder.space.name].turn(budget, "encoding the sound"):
                encoded = forward_tracks(prepared, [encoder])
            for held, track in zip(vectors, encoded, strict=True):
                held.update(track.vectors)
        return list(vectors)

    def _prepare(self, name: str, data: bytes, encoders: Sequence[AudioEncoder]) -> PreparedTrack:
        with at_fault(name):
            if self._decoder is not None:
                return prepare_track(self._decoder.decode(data, self._limits, name=name), encoders)
            with open_audio(data, self._limits, name=name) as reader:
                return prepare_track(reader, encoders)

    def _audio(self, space: EmbeddingSpace) -> AudioEncoder:
        encoder = self._encoders[space.name]
        if not isinstance(encoder, AudioEncoder):
            raise _mute(space, "audio")
        return encoder


def _mute(space: EmbeddingSpace, what: str) -> PreconditionError:
    return PreconditionError(
        f"the encoder of space {space.name!r} takes no {what}",
        reason="MODEL_MISSING",
        metadata={"space": space.name},
    )
