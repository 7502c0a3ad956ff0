"""What describing a track costs: processor seconds for three minutes of sound, by descriptor.

On one thread, as the workers of ``segue index`` run. What descriptors share is counted where it is
first asked for, in the order they run in.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np

from indexer.synth.catalogue import catalogue
from indexer.synth.mixing import render
from retrieval.audio import Sound as Decoded
from retrieval.audio import open_audio
from retrieval.core.errors import PreconditionError
from retrieval.describe.intake import hear
from retrieval.describe.protocol import Descriptor
from retrieval.describe.registry import chosen, descriptions, load
from tests.bench.measure import Table, median

SECONDS = 180.0
ROUNDS = 3
RATE = 44_100
AUDIO = Path(__file__).parents[3] / "shared" / "audio"

Result = TypeVar("Result")


def run() -> list[Table]:
    """A rendered track and, where the recordings are, a real one played again and again."""
    tracks = {"rendered": _rendered()}
    if AUDIO.is_dir():
        tracks["recorded"] = _recorded(AUDIO / "fishin.ogg")
    descriptors = _available()
    for one in descriptors:
        # Tables and models are loaded once per worker, not once per track.
        one.describe(hear(_cut(tracks["rendered"], 12.0)))
    costs = {name: _costs(track, descriptors) for name, track in tracks.items()}
    steps = ("decoded sound to hearing", *(one.name for one in descriptors))
    rows = [(step, *(f"{cost[step]:.2f}" for cost in costs.values())) for step in steps]
    core = {"decoded sound to hearing", *chosen("core")}
    for title, counted in (("core set", core), ("all", set(costs["rendered"]))):
        sums = (sum(cost[step] for step in counted) for cost in costs.values())
        rows.append((title, *(f"{total:.2f}" for total in sums)))
    return [
        Table(
            f"Describing {SECONDS:.0f} s of stereo sound at {RATE} Hz: processor seconds",
            ("", *costs),
            tuple(rows),
            (
                f"Medians of {ROUNDS} rounds; decoding itself is shared with the encoders, and not "
                "counted.",
                "Must be: 3.6 for the core set, 9 with notes.",
            ),
        )
    ]


def _costs(track: Decoded, descriptors: list[Descriptor]) -> dict[str, float]:
    rounds: list[dict[str, float]] = []
    for _ in range(ROUNDS):
        sound, spent = _timed(lambda: hear(track))
        found = {"decoded sound to hearing": spent}
        for one in descriptors:
            _, found[one.name] = _timed(lambda d=one, s=sound: d.describe(s))  # type: ignore[misc]
        rounds.append(found)
    return {step: median([one[step] for one in rounds]) for step in rounds[0]}


def _timed(do: Callable[[], Result]) -> tuple[Result, float]:
    began = time.process_time()
    result = do()
    return result, time.process_time() - began


def _available() -> list[Descriptor]:
    found = []
    for one in descriptions():
        try:
            found.append(load(one.name))
        except PreconditionError as error:
            print(f"  not measured: {error.message}")
    return found


def _rendered() -> Decoded:
    piece = catalogue()[12]
    return _again(render(piece.score, RATE, piece.seed))


def _recorded(path: Path) -> Decoded:
    with open_audio(path) as reader:
        return _again(np.concatenate(list(reader.blocks())))


def _again(samples: np.ndarray[tuple[int, int], np.dtype[np.float32]]) -> Decoded:
    count = int(SECONDS * RATE)
    repeated = np.tile(samples, (-(-count // len(samples)), 1))[:count]
    return Decoded(np.ascontiguousarray(repeated, dtype=np.float32), RATE, "wav")


def _cut(track: Decoded, seconds: float) -> Decoded:
    return Decoded(track.samples[: int(seconds * RATE)], RATE, "wav")
