"""A picture of one sound: waveform with sections, mel spectrogram, chroma with chords and beats."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from retrieval.core.errors import InvalidInputError, PreconditionError
from retrieval.core.keys import TONICS
from retrieval.describe.chroma import FRAME_RATE, chroma
from retrieval.describe.pictures import mel_spectrogram
from retrieval.describe.protocol import RATE, Sound

if TYPE_CHECKING:
    from indexer.describe_file import FileFacts
    from retrieval.core.series import Series

_COLUMNS = 1_600
"""Of the picture; a waveform of more samples is drawn by its extremes."""


def check_matplotlib() -> None:
    """See that there is something to draw with.

    Raises:
        PreconditionError: MODEL_MISSING, naming the extra.
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise PreconditionError(
            "--plot needs Matplotlib: pip install 'segue[plot]'",
            reason="MODEL_MISSING",
            metadata={"extra": "plot"},
        )


def draw(facts: FileFacts, target: Path, *, title: str) -> None:
    """Write the picture of a described file.

    Args:
        facts: Of the file; its sound is what descriptors hear.
        target: A PNG file, or another kind that Matplotlib knows by its name.
        title: Above the picture.

    Raises:
        InvalidInputError: If its name ends in no kind of picture.
        PreconditionError: FOLDER_NOT_WRITABLE; see also ``check_matplotlib``.
    """
    check_matplotlib()
    from matplotlib.figure import Figure

    sound = facts.sound
    series = {one.name: one for one in facts.described.series}
    figure = Figure(figsize=(_COLUMNS / 100, 9), dpi=100, layout="constrained")
    above, middle, below = figure.subplots(3, 1, sharex=True, height_ratios=(1, 2, 2))
    figure.suptitle(title.encode("utf-8", "replace").decode(), parse_math=False)
    _waveform(above, sound, series)
    _mel(middle, sound)
    _chroma(below, sound, series)
    above.set_xlim(0, max(sound.seconds, 0.1))
    below.set_xlabel("seconds")
    try:
        figure.savefig(target)
    except ValueError as error:
        raise InvalidInputError(f"{target}: {error}") from error
    except OSError as error:
        raise PreconditionError(
            f"{target}: the picture cannot be written: {error.strerror or error}",
            reason="FOLDER_NOT_WRITABLE",
        ) from error


def _waveform(axes: Any, sound: Sound, series: dict[str, Series]) -> None:
    size = max(1, len(sound.samples) // _COLUMNS)
    count = len(sound.samples) // size
    parts = sound.samples[: count * size].reshape(count, size)
    times = np.arange(count) * size / RATE
    axes.fill_between(times, parts.min(axis=1), parts.max(axis=1), linewidth=0, color="#345")
    axes.set_ylim(-1, 1)
    axes.set_ylabel("samples")
    sections = series.get("sections")
    if sections is None:
        return
    for place, start in enumerate(sections.starts):
        axes.axvline(start, color="#a22", linewidth=0.8)
        axes.text(start, 1.05, sections.label(place), fontsize=9, color="#a22", clip_on=False)


def _mel(axes: Any, sound: Sound) -> None:
    power = sound.share(mel_spectrogram)
    decibels = 10 * np.log10(np.maximum(power, 1e-8 * max(float(power.max(initial=0.0)), 1e-8)))
    extent = (0, sound.seconds, 0, power.shape[1])
    axes.imshow(decibels.T, origin="lower", aspect="auto", extent=extent, cmap="magma")
    axes.set_ylabel("mel band")


def _chroma(axes: Any, sound: Sound, series: dict[str, Series]) -> None:
    rows = sound.share(chroma).treble
    rows = rows / (rows.max(axis=1, keepdims=True) + 1e-9)
    extent = (0, len(rows) / FRAME_RATE, -0.5, 11.5)
    axes.imshow(rows.T, origin="lower", aspect="auto", extent=extent, cmap="Greys")
    axes.set_yticks(range(12), TONICS)
    axes.set_ylabel("pitch class")
    if "beats" in series:
        axes.vlines(series["beats"].starts, -0.5, 11.5, color="#36c", linewidth=0.4, alpha=0.7)
    chords = series.get("chords")
    if chords is None:
        return
    shown = -1e9
    gap = sound.seconds / 60
    for place, start in enumerate(chords.starts):
        label = chords.label(place)
        changed = place == 0 or chords.values[place] != chords.values[place - 1]
        if label is not None and changed and start - shown >= gap:
            axes.text(start, 11.8, label, fontsize=7, color="#a22", clip_on=False)
            shown = float(start)
