"""The encoders there are. A new one is a new file and one line here."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, cast

from retrieval.core.errors import InvalidInputError, PreconditionError
from retrieval.core.spaces import EmbeddingSpace, Modality
from retrieval.encoders.protocol import AudioEncoder, Encoder, TextEncoder, WordsEncoder

if TYPE_CHECKING:
    from retrieval.settings import Settings


@dataclass(frozen=True, slots=True)
class EncoderDescription:
    """What is known of an encoder before anything heavy is loaded.

    Attributes:
        name: Its name, and that of the space it fills.
        summary: One line for ``--help``.
        modalities: What it takes.
        factory: ``module:Class`` to call without arguments.
        extra: The extra of the ``segue`` package it needs (``models``), or None.
        weights: The setting that says where its weights are, less ``_weights``, which is also
            their folder below ``models`` in the data folder; None if it needs none.
    """

    name: str
    summary: str
    modalities: frozenset[Modality]
    factory: str
    extra: str | None = None
    weights: str | None = None

    def place(self, settings: Settings) -> str | Path | None:
        """Where its weights are looked for, or None if it needs none."""
        if self.weights is None:
            return None
        named = getattr(settings, f"{self.weights}_weights")
        return cast(str | Path, named or settings.data_dir / "models" / self.weights)


_DESCRIPTIONS = (
    EncoderDescription(
        name="ear",
        summary="sound, and descriptions of it, by a small model that ships with Segue",
        modalities=frozenset({Modality.TEXT, Modality.AUDIO}),
        factory="retrieval.encoders.ear:EarEncoder",
    ),
    EncoderDescription(
        name="perceptual",
        summary="ten dimensions one can hear: warmth, brightness, rhythm, arousal, valence, …",
        modalities=frozenset({Modality.AUDIO}),
        factory="retrieval.encoders.perceptual:PerceptualEncoder",
    ),
    EncoderDescription(
        name="lexical",
        summary="the words of tags, folders and file names (BM25)",
        modalities=frozenset({Modality.TEXT, Modality.WORDS}),
        factory="retrieval.encoders.lexical:LexicalEncoder",
    ),
    EncoderDescription(
        name="clap",
        summary="sound, and English descriptions of it, by CLAP (needs its weights)",
        modalities=frozenset({Modality.TEXT, Modality.AUDIO}),
        factory="retrieval.encoders.clap:ClapEncoder",
        extra="models",
        weights="clap",
    ),
    EncoderDescription(
        name="laion-clap",
        summary="the same by LAION's own package, slower (needs its original checkpoint)",
        modalities=frozenset({Modality.TEXT, Modality.AUDIO}),
        factory="retrieval.encoders.laion:LaionClapEncoder",
        extra="laion",
        weights="clap",
    ),
    EncoderDescription(
        name="clamp3",
        summary="sound, and words in a hundred languages, by CLAMP3 (needs its weights)",
        modalities=frozenset({Modality.TEXT, Modality.AUDIO}),
        factory="retrieval.encoders.clamp3:Clamp3Encoder",
        extra="models",
        weights="clamp3",
    ),
)


def descriptions() -> tuple[EncoderDescription, ...]:
    """Every encoder that can be asked for, loaded or not."""
    return _DESCRIPTIONS


def load(name: str, weights: str | Path | None = None, graphs: Path | None = None) -> Encoder:
    """The encoder of this name, loaded once per process and place of weights.

    Args:
        name: Of ``descriptions``.
        weights: Where its weights are; by default where the environment says.
        graphs: Folder of what is known of these weights; by default that of the environment.

    Raises:
        InvalidInputError: INVALID_SETTING if there is no such encoder.
        PreconditionError: MODEL_MISSING if the extra it needs is not installed.
    """
    # Without weights there is nothing to keep, and one encoder serves all folders.
    return _load(name, weights, None if weights is None else graphs)


@cache
def _load(name: str, weights: str | Path | None, graphs: Path | None) -> Encoder:
    known = {description.name: description for description in _DESCRIPTIONS}
    if name not in known:
        raise InvalidInputError(
            f"encoder {name!r}: there is none of this name; use one of {', '.join(known)}",
            reason="INVALID_SETTING",
        )
    description = known[name]
    module, _, attribute = description.factory.partition(":")
    try:
        # Calling it is what imports the packages of an extra.
        factory = getattr(importlib.import_module(module), attribute)
        return cast(Encoder, factory() if weights is None else factory(weights, graphs=graphs))
    except ImportError as error:
        if description.extra is None:
            raise
        raise PreconditionError(
            f"encoder {name!r} needs more packages: pip install 'segue[{description.extra}]'",
            reason="MODEL_MISSING",
            metadata={"encoder": name, "extra": description.extra},
        ) from error


def default_encoders(settings: Settings | None = None) -> EncoderSet:
    """The encoders that the settings name; unset, those that need no download.

    Args:
        settings: By default those of the environment.

    Raises:
        InvalidInputError: INVALID_SETTING if there is no encoder of such a name.
        PreconditionError: MODEL_MISSING or MODEL_INVALID if one lacks packages or weights.
    """
    from retrieval.settings import Settings

    chosen = settings or Settings()
    known = {description.name: description for description in _DESCRIPTIONS}
    return EncoderSet(
        load(name, known[name].place(chosen) if name in known else None, chosen.graphs_dir)
        for name in chosen.encoders.split(",")
    )


class EncoderSet(Mapping[str, Encoder]):
    """Encoders by the name of the space they fill."""

    def __init__(self, encoders: Iterable[Encoder]) -> None:
        self._encoders: dict[str, Encoder] = {}
        for encoder in encoders:
            if encoder.space.name in self._encoders:
                raise InvalidInputError(
                    f"two encoders fill the space {encoder.space.name!r}", reason="INVALID_SETTING"
                )
            self._encoders[encoder.space.name] = encoder

    def __getitem__(self, space: str) -> Encoder:
        return self._encoders[space]

    def __iter__(self) -> Iterator[str]:
        return iter(self._encoders)

    def __len__(self) -> int:
        return len(self._encoders)

    def spaces(self) -> tuple[EmbeddingSpace, ...]:
        """The spaces, in order of registration."""
        return tuple(encoder.space for encoder in self._encoders.values())

    def audio(self) -> tuple[AudioEncoder, ...]:
        """Those that take sound."""
        return tuple(e for e in self._encoders.values() if isinstance(e, AudioEncoder))

    def text(self) -> tuple[TextEncoder, ...]:
        """Those that take query texts."""
        return tuple(e for e in self._encoders.values() if isinstance(e, TextEncoder))

    def words(self) -> tuple[WordsEncoder, ...]:
        """Those that take the words of a track's tags and names."""
        return tuple(e for e in self._encoders.values() if isinstance(e, WordsEncoder))
