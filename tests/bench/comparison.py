"""Folders of clips through an original's scripts and through ``segue index``, side by side."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.bench.clips import write_clips
from tests.bench.measure import Table, median, times
from tests.bench.processes import Spent, segue, side_by_side, spend


@dataclass(frozen=True, slots=True)
class Subject:
    """An encoder and what it is compared with.

    Attributes:
        space: Its name.
        title: In tables.
        original: The module that acts out the original's scripts.
        weights: Both read these files.
    """

    space: str
    title: str
    original: str
    weights: Path

    @property
    def settings(self) -> dict[str, str]:
        """Of a library with this space alone."""
        weights = f"SEGUE_{self.space.upper()}_WEIGHTS"
        return {"SEGUE_ENCODERS": self.space, weights: str(self.weights), "SEGUE_DEVICE": "cpu"}


@dataclass(frozen=True, slots=True)
class Workload:
    """Clips of one run, as a user has them, and how often to run."""

    clips: int
    seconds: float
    rounds: int = 2

    def __str__(self) -> str:
        clips = "1 clip" if self.clips == 1 else f"{self.clips} clips"
        return f"{clips} of {self.seconds:g} s"


ORIGINAL, OURS, DEFAULTS = "original", "segue index", "with all by default"


def compare(
    subject: Subject, workloads: Sequence[Workload], remarks: Sequence[str], *, lanes: int
) -> Table:
    """Processor seconds per minute of sound of both, model loads and all processes included.

    Args:
        subject: What to compare.
        workloads: On how much sound.
        remarks: First below the table.
        lanes: Runs at once, so that together they take less than 8 GB.
    """
    rows, laps = [], []
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        first = _index(subject, write_clips(place / "first", 1, 5.0), place, "first")
        for number, workload in enumerate(workloads):
            music = write_clips(place / f"music{number}", workload.clips, workload.seconds)
            rounds = [
                _round(subject, music, place, f"w{number}r{turn}", lanes)
                for turn in range(workload.rounds)
            ]
            rows.append(_row(workload, rounds, _closeness(subject, place, f"w{number}r0")))
            laps.append(f"  {workload}: {_laps([spent[ORIGINAL] for spent in rounds])}")
    counts = ", ".join(str(workload.rounds) for workload in workloads)
    return Table(
        f"{subject.title}: processor seconds per minute of sound, one thread ({counts} rounds)",
        ("", ORIGINAL, OURS, "ratio", DEFAULTS, "ratio", "time", "ours", "cosine", "max |Δ|"),
        tuple(rows),
        (
            *remarks,
            "Each run is a process tree of its own: imports, load, sound, results on disk. "
            "The original's processor seconds:",
            *laps,
            f"What is done once per data folder is not in it: the first run of all, on 5 s of "
            f"sound, took {first.cpu:.1f} s of processors.",
            "Cosine and |Δ| are the worst of all clips, in vectors of length 1; the library keeps "
            "them in 16 bits.",
        ),
    )


def _row(
    workload: Workload, rounds: Sequence[dict[str, Spent]], closeness: tuple[str, str]
) -> tuple[str, ...]:
    minutes = workload.clips * workload.seconds / 60
    cpu = {side: median([spent[side].cpu for spent in rounds]) / minutes for side in rounds[0]}
    wall = {side: median([spent[side].wall for spent in rounds]) for side in rounds[0]}
    return (
        str(workload),
        f"{cpu[ORIGINAL]:.2f}",
        f"{cpu[OURS]:.2f}",
        times(cpu[ORIGINAL] / cpu[OURS]),
        f"{cpu[DEFAULTS]:.2f}",
        times(cpu[ORIGINAL] / cpu[DEFAULTS]),
        f"{wall[ORIGINAL]:.1f} s",
        f"{wall[OURS]:.1f} s",
        *closeness,
    )


def _round(subject: Subject, music: Path, place: Path, name: str, at_once: int) -> dict[str, Spent]:
    original = ["-m", subject.original, "embed", str(music)]
    original += [str(place / "npy" / name), str(subject.weights)]
    with side_by_side(at_once) as lanes:
        running = {
            ORIGINAL: lanes.submit(spend, original),
            OURS: lanes.submit(_index, subject, music, place, name),
            DEFAULTS: lanes.submit(_index, subject, music, place, f"{name}-all", all_spaces=True),
        }
        return {side: one.result() for side, one in running.items()}


def _index(
    subject: Subject, music: Path, place: Path, library: str, *, all_spaces: bool = False
) -> Spent:
    """Index a folder into a library of its own, in a data folder that all share.

    The original makes one vector of a clip and nothing else: so do we, unless all is wanted.
    """
    settings = subject.settings
    describe = "--describe" if all_spaces else "--no-describe"
    if all_spaces:
        settings["SEGUE_ENCODERS"] = f"perceptual,lexical,{subject.space}"
    where = ("--data", place / "data", "--library", library)
    spent = segue("index", music, *where, describe, "--json", settings=settings)
    report = json.loads(spent.output)
    if report["indexed"] != len(list(music.iterdir())):
        raise RuntimeError(f"not all clips were indexed: {report}")
    return spent


def _closeness(subject: Subject, place: Path, name: str) -> tuple[str, str]:
    where = ("--data", place / "data", "--library", name)
    segue("export", place / "ours" / name, *where, "--space", subject.space)
    cosines, distances = [], []
    for path in sorted((place / "npy" / name).glob("*.npy")):
        theirs, ours = _unit(path), _unit(place / "ours" / name / "features" / path.name)
        cosines.append(float(theirs @ ours))
        distances.append(float(np.abs(theirs - ours).max()))
    return f"{min(cosines):.7f}", f"{max(distances):.0e}"


def _unit(path: Path) -> NDArray[np.float64]:
    vector = np.load(path)[0].astype(np.float64)
    return np.asarray(vector / np.linalg.norm(vector))


def _laps(rounds: Sequence[Spent]) -> str:
    laps = [json.loads(spent.output) for spent in rounds]
    return ", ".join(f"{name} {median([lap[name] for lap in laps]):.2f}" for name in laps[0])
