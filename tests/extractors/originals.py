"""The packages that extractors are compared with, and the sounds they are compared on."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from tests import signals
from tests.signals import Samples

ORIGINALS = {
    "crepe": "torchcrepe",
    "crepe-full": "torchcrepe",
    "openl3": "torchopenl3",
    "beat-this": "beat_this",
    "btc": "BTC_SOURCE",
    "mert": "transformers",
    "madmom": "madmom",
    "madmom-chords": "madmom",
}
"""By extractor."""
MADMOM = Path(sys.prefix) / "madmom" / "bin" / "python"
RECORDINGS = Path(__file__).parents[3] / "shared/audio"
# In that environment alone: elsewhere some of the packages may be there, and without what they
# import.
_APART = find_spec("torchopenl3") is not None
_MAKE = "needs the originals, in an environment of their own: make test-extractors"

together = pytest.mark.skipif(not _APART, reason=_MAKE)


def needs_madmom() -> Path:
    """The Python that has madmom; skips where there is none."""
    if not _APART:
        pytest.skip(_MAKE)
    if not any(MADMOM.parents[1].glob("lib/python*/site-packages/madmom")):
        pytest.skip("madmom 0.16.1 was not built: it has no wheels, and needs a C compiler")
    return MADMOM


def needs_btc() -> Path:
    """The folder of BTC's authors; skips where none is named."""
    if not _APART:
        pytest.skip(_MAKE)
    folder = Path(os.environ.get("BTC_SOURCE", "/nowhere"))
    if not (folder / "btc_model.py").is_file():
        pytest.skip("BTC is in no package index: name a clone of jayg996/BTC-ISMIR19 as BTC_SOURCE")
    return folder


def sounds(rate: int, seconds: float = 2.5) -> dict[str, Samples]:
    """Made and recorded, loud and quiet, tonal and noisy, of whole frames and of none."""
    made = {
        "song": signals.song(1, seconds, rate).mean(axis=1, dtype=np.float32),
        "noise": signals.noise(seconds / 2, rate, level=0.3, seed=3),
        "quiet": signals.noise(0.7123, rate, level=0.0005, seed=5, band=(100.0, 900.0)),
        "glide": signals.glide(110.0, 880.0, 1.2345, rate),
        "shortest": signals.tone(60, 0.1, rate),
    }
    for name in ("trumpet", "speech", "fishin"):
        if (path := RECORDINGS / f"{name}.ogg").is_file():
            sound, given = soundfile.read(path, dtype="float32", always_2d=True, frames=200_000)
            mono = soxr.resample(sound.mean(axis=1), given, rate).astype(np.float32)
            made[name] = np.ascontiguousarray(mono[: round(seconds * rate)])
    return made
