"""How busy the models are while ``segue index`` works through a library."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.bench import clamp3, clap
from tests.bench.clips import write_clips
from tests.bench.comparison import Subject
from tests.bench.measure import Table
from tests.bench.processes import segue
from tests.bench.random_weights import CLAP_BASE, ClapSize


def run(
    *, subjects: Sequence[Subject] | None = None, clips: int = 20, seconds: float = 30.0
) -> list[Table]:
    """Index ``clips`` clips with all cores and the settings that a user has."""
    subjects = subjects or (
        Subject("clamp3", "CLAMP3", clamp3.ORIGINAL, clamp3.weights()),
        Subject("clap", "CLAP, HTSAT-tiny", clap.ORIGINAL, clap.weights(ClapSize())),
        Subject("clap", "CLAP, HTSAT-base", clap.ORIGINAL, clap.weights(CLAP_BASE)),
    )
    rows = []
    with tempfile.TemporaryDirectory() as name:
        music = write_clips(Path(name) / "music", clips, seconds)
        for number, subject in enumerate(subjects):
            data = Path(name) / f"data{number}"
            settings = subject.settings
            spent = segue("index", music, "--data", data, "--json", settings=settings, threads=None)
            report = json.loads(spent.output)
            rows.append(
                (
                    subject.title,
                    f"{spent.wall:.1f} s",
                    f"{report['seconds']:.1f} s",
                    f"{report['encoder_seconds']:.1f} s",
                    f"{report['encoder_share']:.1%}",
                    f"{report['speed']:.1f}",
                )
            )
    return [
        Table(
            f"Encoders at work while {clips} clips of {seconds:g} s are indexed, all cores",
            ("", "command", "run", "encoding", "share", "seconds of sound per second"),
            tuple(rows),
            (
                "Share: of the time from the first file to the last, starting workers included. "
                "Aim: 90 %.",
            ),
        )
    ]
