"""What Basic Pitch hears, beside its own package: activations on its shipped model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

from retrieval.describe.notes import Notes
from retrieval.describe.protocol import RATE
from tests.comparing import farthest, report
from tests.extractors.originals import sounds, together

pytestmark = together
SAME = 1e-5
MOVED = 1e-2
KEPT, GIVEN = 141, 142
"""Frames of a window that count: here no time is counted twice, in the package one frame is."""


def theirs(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Sounding and beginning pitches, (frames, 88)."""
    from basic_pitch.inference import ICASSP_2022_MODEL_PATH, run_inference

    found = run_inference(path, ICASSP_2022_MODEL_PATH)
    parts = []
    for name in ("note", "onset"):
        windows = range(0, len(found[name]), GIVEN)
        parts.append(np.concatenate([found[name][at : at + GIVEN][:KEPT] for at in windows]))
    return parts[0], parts[1]


def test_activations(tmp_path: Path) -> None:
    path = tmp_path / "sound.wav"
    notes = Notes()
    for kind, sound in sounds(RATE, 4.0).items():
        soundfile.write(path, sound, RATE, subtype="FLOAT")
        _, *found = notes.activations(sound)
        for name, one, other in zip(("sounding", "onsets"), found, theirs(path), strict=True):
            distance = farthest(one[: len(other)], other)
            report(f"basic-pitch {kind}", **{name: distance})
            assert distance <= SAME
            assert len(other) >= len(sound) // 256 - 2
    _, sounding, _ = notes.activations(sound[: 40 * 256][::-1].copy())
    assert farthest(sounding[:30], theirs(path)[0][:30]) >= MOVED
