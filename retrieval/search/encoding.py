"""The encoders of this machine, safe to use from several request threads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from threading import Lock
from typing import Protocol

from retrieval.audio import Limits, Sound, open_audio
from retrieval.core.errors import InvalidInputError, PreconditionError
from retrieval.core.spaces import EmbeddingSpace, Statistics, Vector
from retrieval.encoders.audio_pass import PreparedTrack, forward_tracks, prepare_track
from retrieval.encoders.protocol import AudioEncoder, Encoder, HasReference, TextEncoder


class Decoder(Protocol):
    """Turns hostile bytes into sound, apart from this process (``audio.IsolatedDecoder``)."""

    def decode(self, data: bytes, limits: Limits, *, name: str) -> Sound:
        """The whole sound.

        Raises:
            AudioError: If the bytes are not usable audio within the limits.
        """
        ...


class Encoding:
    """Encodes queries. ``forward`` of one encoder runs in one thread at a time."""

    def __init__(
        self,
        encoders: Mapping[str, Encoder],
        *,
        decoder: Decoder | None = None,
        limits: Limits | None = None,
    ) -> None:
        """Take the encoders of this machine.

        Args:
            encoders: By the name of the space they fill.
            decoder: Decodes audio queries; None decodes in this process.
            limits: Bounds on the sound of a query.
        """
        self._encoders = dict(encoders)
        self._decoder = decoder
        self._limits = limits if limits is not None else Limits()
        self._locks = {name: Lock() for name in self._encoders}

    def has(self, space: EmbeddingSpace) -> bool:
        """Whether an encoder of the very same revision is here."""
        encoder = self._encoders.get(space.name)
        return encoder is not None and encoder.space.revision == space.revision

    def revision(self, space: EmbeddingSpace) -> str | None:
        """Revision of the encoder for a space of this name; None without an encoder."""
        encoder = self._encoders.get(space.name)
        return None if encoder is None else encoder.space.revision

    def reference(self, space: EmbeddingSpace) -> Statistics | None:
        """The encoder's own statistics of a weighted-Euclidean space, if it is here."""
        if not self.has(space):
            return None
        encoder: object = self._encoders[space.name]
        return encoder.reference if isinstance(encoder, HasReference) else None

    def texts(
        self, space: EmbeddingSpace, texts: Sequence[str]
    ) -> list[Vector | InvalidInputError]:
        """Encode texts in one batch.

        Args:
            space: A text space whose encoder is here.
            texts: The texts.

        Returns:
            For each text its vector, or why it says nothing in this space.
        """
        encoder = self._encoders[space.name]
        if not isinstance(encoder, TextEncoder):
            raise _mute(space, "text")
        results: list[Vector | InvalidInputError] = []
        tokens, places = [], []
        for place, text in enumerate(texts):
            try:
                tokens.append(encoder.prepare_text(text))
            except InvalidInputError as error:
                results.append(error)
            else:
                places.append(place)
                results.append(InvalidInputError("not encoded"))
        if tokens:
            with self._locks[space.name]:
                vectors = encoder.forward_text(tokens)
            for place, vector in zip(places, vectors, strict=True):
                results[place] = vector
        return results

    def sounds(
        self, spaces: Sequence[EmbeddingSpace], sounds: Sequence[tuple[str, bytes]]
    ) -> list[Mapping[str, Vector]]:
        """Encode sound files, each decoded once, in one batch.

        Args:
            spaces: Audio spaces whose encoders are here.
            sounds: What errors call each, and the encoded file.

        Returns:
            For each sound its vector per space; a space that hears only silence is absent.

        Raises:
            AudioError: If one of them is not usable audio within the limits.
        """
        encoders = [self._audio(space) for space in spaces]
        prepared = [self._prepare(name, data, encoders) for name, data in sounds]
        with self._held(spaces):
            return [track.vectors for track in forward_tracks(prepared, encoders)]

    def _prepare(self, name: str, data: bytes, encoders: Sequence[AudioEncoder]) -> PreparedTrack:
        if self._decoder is not None:
            return prepare_track(self._decoder.decode(data, self._limits, name=name), encoders)
        with open_audio(data, self._limits, name=name) as reader:
            return prepare_track(reader, encoders)

    def _audio(self, space: EmbeddingSpace) -> AudioEncoder:
        encoder = self._encoders[space.name]
        if not isinstance(encoder, AudioEncoder):
            raise _mute(space, "audio")
        return encoder

    @contextmanager
    def _held(self, spaces: Sequence[EmbeddingSpace]) -> Iterator[None]:
        # In one order for all threads, so that no two wait for each other.
        with ExitStack() as stack:
            for name in sorted({space.name for space in spaces}):
                stack.enter_context(self._locks[name])
            yield


def _mute(space: EmbeddingSpace, what: str) -> PreconditionError:
    return PreconditionError(
        f"the encoder of space {space.name!r} takes no {what}",
        reason="MODEL_MISSING",
        metadata={"space": space.name},
    )
