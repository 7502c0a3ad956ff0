"""The sound to lay under a clip: spans of a track, one after the other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import soxr
from numpy.typing import NDArray

from retrieval.audio import AudioReader, to_mono
from retrieval.audio.decoding import Block
from retrieval.core.errors import AudioError
from retrieval.core.tracks import Span

RATE = 48_000
"""Hz of the sound under a clip."""
_JOIN = 0.02
"""Seconds in which one span goes over into the next."""
_IN, _OUT = 0.02, 0.5
"""Seconds of fading in at the start and out at the end."""


def lay(reader: AudioReader, plan: Sequence[Span]) -> Block:
    """The spans of a track as stereo at ``RATE``, joined and faded, shape (frames, 2).

    What the track lacks of a span's end is silence.

    Raises:
        AudioError: As ``AudioReader.blocks`` does, or if the track ends before the first span.
    """
    first = min(span.start for span in plan)
    last = max(span.end for span in plan)
    sound = _between(reader, round(first * RATE), round((last + _JOIN) * RATE))
    if not len(sound):
        raise AudioError(f"{reader.name}: the sound ends before {first:.1f} s")
    lengths = np.cumsum([0.0, *(span.end - span.start for span in plan)])
    places = np.round(lengths * RATE).astype(int)
    bed = np.zeros((int(places[-1]), 2), dtype=np.float32)
    join = round(_JOIN * RATE)
    for span, place, end in zip(plan, places[:-1], places[1:], strict=True):
        start = round((span.start - first) * RATE)
        piece = sound[start : start + end - place + join].copy()
        if place:
            _fade(piece[:join])
        _fade(piece[end - place :][::-1])
        room = bed[place : place + len(piece)]
        room += piece[: len(room)]
    _fade(bed[: round(_IN * RATE)])
    _fade(bed[-min(round(_OUT * RATE), len(bed) // 4 + 1) :][::-1])
    return np.clip(bed, -1.0, 1.0)


def _fade(samples: Block) -> None:
    """Raise these samples from silence, in place, so that two crossing keep their power."""
    ramp: NDArray[np.float32] = np.sin(np.linspace(0.0, np.pi / 2, len(samples), dtype=np.float32))
    samples *= ramp[:, None]


def _between(reader: AudioReader, first: int, last: int) -> Block:
    """The samples of a track between two places at ``RATE``, shape (frames, 2)."""
    stream = soxr.ResampleStream(reader.sample_rate, RATE, 2, dtype="float32", quality="HQ")
    kept: list[Block] = []
    given = 0

    def keep(block: Block) -> None:
        nonlocal given
        kept.append(block[max(0, first - given) : max(0, last - given)])
        given += len(block)

    for block in reader.blocks():
        keep(np.asarray(stream.resample_chunk(_stereo(block))))
        if given >= last:
            break
    else:
        keep(np.asarray(stream.resample_chunk(np.zeros((0, 2), np.float32), last=True)))
    return np.concatenate(kept) if kept else np.zeros((0, 2), np.float32)


def _stereo(block: Block) -> Block:
    if block.shape[1] == 2:
        return np.ascontiguousarray(block)
    return np.repeat(to_mono(block)[:, None], 2, axis=1)
