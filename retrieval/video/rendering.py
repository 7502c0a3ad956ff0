"""A clip with other sound: its picture copied as it is, packet by packet."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.container import OutputContainer

from retrieval.audio import Limits, open_audio
from retrieval.audio.decoding import Block, DecodeError
from retrieval.audio.ffmpeg import ERRORS, open_demuxer, packets
from retrieval.core.errors import InvalidInputError, VideoError
from retrieval.core.tracks import Span
from retrieval.video.bed import RATE, lay
from retrieval.video.formats import demuxer_of
from retrieval.video.reader import picture_of

_SOUNDS = {".mp4": "aac", ".mov": "aac", ".webm": "libopus"}
"""Encoders of sound by the suffix, which is also the name of the container."""
_BITS = 192_000
_DISK = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EFBIG})


def check_target(target: Path, clip: Path, *, force: bool) -> None:
    """Refuse a place where a rendered clip cannot or must not be written.

    Raises:
        InvalidInputError: If the suffix is of no container we write, the folder is not there, or it
            is the clip itself; FILE_EXISTS if there is a file already and ``force`` is not set.
    """
    if target.suffix.lower() not in _SOUNDS:
        raise InvalidInputError(f"{target}: name it {', '.join('*' + end for end in _SOUNDS)}")
    _keep(target, clip)
    if not target.parent.is_dir():
        raise InvalidInputError(f"{target}: there is no folder {target.parent}")
    if target.is_dir() or (target.exists() and not force):
        raise InvalidInputError(
            f"{target}: is there already; give --force to replace it", reason="FILE_EXISTS"
        )


def render(
    clip: Path, music: Path, plan: Sequence[Span], target: Path, *, force: bool = False
) -> None:
    """Write a clip with spans of a track as its sound.

    The target appears whole or not at all; the clip and the track stay as they are. The clip's own
    sound is left out.

    Args:
        clip: An MP4, MOV or WebM.
        music: The track's file.
        plan: What to play of it, from the clip's first frame on.
        target: The file to write; its suffix says what: mp4 and mov with AAC, webm with Opus.
        force: Replace a file that is there.

    Raises:
        InvalidInputError: As ``check_target``, and if the target cannot be written.
        AudioError: If the track cannot be read.
        VideoError: If the clip cannot be, or its picture does not go into such a container.
    """
    check_target(target, clip, force=force)
    _keep(target, music)
    with open_audio(music, Limits()):
        pass  # It can be: nothing is written before that is known.
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with part.open("wb"):
            pass
        _write(clip, lay(lambda: open_audio(music, Limits()), plan), part, target.suffix.lower())
        part.replace(target)
    except OSError as error:
        problem = error.strerror or error
        raise InvalidInputError(f"{target}: cannot be written: {problem}") from error
    finally:
        part.unlink(missing_ok=True)


def _keep(target: Path, source: Path) -> None:
    if target.exists() and source.exists() and target.samefile(source):
        raise InvalidInputError(f"{target}: is what would be read; name another file")


def _write(clip: Path, sound: Generator[Block, None, None], part: Path, suffix: str) -> None:
    with contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.closing(sound))
        stream = stack.enter_context(clip.open("rb"))
        demuxer = demuxer_of(stream)
        if demuxer is None:
            raise VideoError(f"{clip}: not a video of a supported format")
        try:
            source = stack.enter_context(open_demuxer(stream, demuxer))
        except DecodeError as error:
            raise VideoError(f"{clip}: cannot be read ({error})") from error
        picture = picture_of(source, str(clip))
        try:
            target = stack.enter_context(av.open(str(part), "w", format=suffix[1:]))
            shown = target.add_stream_from_template(picture)
            start = float((picture.start_time or 0) * (picture.time_base or 0))
            heard = _encoded(target, _SOUNDS[suffix], sound, start)
            waiting = next(heard, None)
            for packet in packets(source, picture):
                if packet.dts is None:
                    continue
                at = float(packet.dts * packet.time_base)
                while waiting is not None and _time(waiting) <= at:
                    target.mux(waiting)
                    waiting = next(heard, None)
                packet.stream = shown
                target.mux(packet)
            while waiting is not None:
                target.mux(waiting)
                waiting = next(heard, None)
        except DecodeError as error:
            raise VideoError(f"{clip}: breaks off ({error})") from error
        except ERRORS as error:
            if isinstance(error, OSError) and error.errno in _DISK:
                raise
            codec = picture.codec_context.name
            raise VideoError(
                f"{clip}: its picture ({codec}) cannot be put into a {suffix[1:]} ({error}); "
                "choose another suffix",
                reason="VIDEO_UNSUPPORTED",
            ) from error


def _encoded(
    target: OutputContainer, codec: str, sound: Iterator[Block], start: float
) -> Iterator[Any]:
    stream: Any = target.add_stream(codec, rate=RATE)
    stream.layout = "stereo"
    stream.bit_rate = _BITS
    return _packets(stream, sound, round(start * RATE))


def _packets(stream: Any, sound: Iterator[Block], place: int) -> Iterator[Any]:
    for block in sound:
        planes = np.ascontiguousarray(block.T)
        frame = av.AudioFrame.from_ndarray(planes, "fltp", layout="stereo")
        frame.sample_rate, frame.pts = RATE, place
        place += len(block)
        yield from stream.encode(frame)
    yield from stream.encode()


def _time(packet: Any) -> float:
    return float((packet.dts or 0) * packet.time_base)
