"""The sound to lay under a clip: spans of a track, one after the other, never held as a whole."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence

import numpy as np
import soxr
from numpy.typing import NDArray

from retrieval.audio import AudioReader, to_mono
from retrieval.audio.decoding import Block
from retrieval.core.errors import AudioError
from retrieval.core.tracks import Span

RATE = 48_000
"""Hz of the sound under a clip."""
_JOIN = round(0.02 * RATE)
"""Frames in which one span goes over into the next."""
_IN, _OUT = round(0.02 * RATE), round(0.5 * RATE)
"""Frames of fading in at the start and out at the end."""
_CHUNK = RATE
"""Frames that are laid at once."""


def lay(track: Callable[[], AudioReader], plan: Sequence[Span]) -> Generator[Block, None, None]:
    """The spans of a track as stereo at ``RATE``, joined and faded, in blocks of (frames, 2).

    What the track lacks of a span's end is silence.

    Args:
        track: Opens it; each span is decoded on its own, from the track's start on, since spans go
            back in it where it is over again.
        plan: Spans, at least one.

    Raises:
        AudioError: As ``track`` and ``AudioReader.blocks`` do; at the end if nothing was found
            because the track ends before the first span.
    """
    lengths = np.cumsum([0.0, *(span.end - span.start for span in plan)])
    places = np.round(lengths * RATE).astype(int)
    whole = int(places[-1])
    fade_in, fade_out = _ramp(min(_IN, whole)), _ramp(min(_OUT, whole // 4 + 1))[::-1]
    done = 0
    for block in _joined(track, plan, places):
        end = done + len(block)
        _fade(block, fade_in, -done)
        _fade(block, fade_out, whole - len(fade_out) - done)
        yield np.clip(block, -1.0, 1.0)
        done = end


def _joined(
    track: Callable[[], AudioReader], plan: Sequence[Span], places: NDArray[np.int_]
) -> Iterator[Block]:
    """The spans, each going over into the next one."""
    # What earlier spans leave behind their end; spans shorter than a joint leave it to several.
    left = np.zeros((0, 2), np.float32)
    first = min(span.start for span in plan)
    found = False
    name = ""
    for span, place, end in zip(plan, places[:-1], places[1:], strict=True):
        length = int(end - place)
        with track() as reader:
            name = reader.name
            tape = _Tape(reader, round(first * RATE) + round((span.start - first) * RATE))
            for piece, inside in _pieces(tape, length, joins=bool(place)):
                found |= bool(len(piece))
                laid = np.zeros((max(inside, len(piece), len(left)), 2), np.float32)
                laid[: len(left)] += left
                laid[: len(piece)] += piece
                left = laid[inside:]
                if inside:
                    yield laid[:inside]
    if not found:
        raise AudioError(f"{name}: the sound ends before {first:.1f} s")


def _pieces(tape: _Tape, length: int, *, joins: bool) -> Iterator[tuple[Block, int]]:
    """A span in pieces, and how many frames of each are of the span; the last has the joint too."""
    done = 0
    while True:
        rest = length - done
        last = rest <= _CHUNK
        inside = rest if last else _CHUNK
        piece = tape.read(inside + _JOIN if last else inside)
        if joins and not done:
            _fade(piece, _ramp(len(piece[:_JOIN])), 0)
        if last:
            _fade(piece, _ramp(len(piece[inside:]))[::-1], inside)
        yield piece, inside
        done += inside
        if last:
            return


def _ramp(frames: int) -> NDArray[np.float32]:
    """From silence up, such that two that cross keep their power."""
    return np.asarray(np.sin(np.linspace(0.0, np.pi / 2, frames, dtype=np.float32)), np.float32)


def _fade(block: Block, ramp: NDArray[np.float32], place: int) -> None:
    """Multiply a block by a ramp that begins at a frame of it, or before or behind it, in place."""
    start, end = max(0, place), min(len(block), place + len(ramp))
    if start < end:
        block[start:end] *= ramp[start - place : end - place, None]


class _Tape:
    """The samples of a track at ``RATE`` from a place on."""

    def __init__(self, reader: AudioReader, start: int) -> None:
        self._blocks = _resampled(reader)
        self._held: Block = np.zeros((0, 2), np.float32)
        self._skip = start

    def read(self, frames: int) -> Block:
        """The next frames, shape (frames, 2), a copy; fewer only at the end of the track."""
        parts = []
        wanted = frames
        while wanted:
            if not len(self._held):
                block = next(self._blocks, None)
                if block is None:
                    break
                skipped = min(self._skip, len(block))
                self._skip -= skipped
                self._held = block[skipped:]
            parts.append(self._held[:wanted])
            self._held = self._held[wanted:]
            wanted -= len(parts[-1])
        return np.concatenate(parts) if parts else np.zeros((0, 2), np.float32)


def _resampled(reader: AudioReader) -> Iterator[Block]:
    stream = soxr.ResampleStream(reader.sample_rate, RATE, 2, dtype="float32", quality="HQ")
    for block in reader.blocks():
        yield np.asarray(stream.resample_chunk(_stereo(block)))
    yield np.asarray(stream.resample_chunk(np.zeros((0, 2), np.float32), last=True))


def _stereo(block: Block) -> Block:
    if block.shape[1] == 2:
        return np.ascontiguousarray(block)
    return np.repeat(to_mono(block)[:, None], 2, axis=1)
