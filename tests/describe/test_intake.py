"""What is kept of a long track: its first minutes, and nothing of what follows."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from retrieval.describe import intake
from retrieval.describe.protocol import RATE


def test_what_follows_the_first_minutes_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "LONGEST", 20.0)
    hearing = intake.Intake(RATE, 1)
    block = np.sin(np.arange(1 << 17) / 9).astype(np.float32)
    tracemalloc.start()
    try:
        for _ in range(60):
            hearing.push(block[:, None], block.copy())
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 4e6, "20 s take 1.8 MB, all six minutes 31 MB"
    sound = hearing.finish()
    assert sound.duration == pytest.approx(60 * len(block) / RATE)
    assert np.array_equal(sound.samples, np.tile(block, 60)[: 20 * RATE])
