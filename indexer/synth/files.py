"""Sound to the bytes of a tagged file: WAV, FLAC, OGG Vorbis, MP3 and M4A."""

from __future__ import annotations

import io
import struct

import av
import numpy as np
import soundfile
from numpy.typing import NDArray

from indexer.synth.catalogue import FORMATS, Tags

_SUBTYPES = {"wav": "PCM_16", "flac": "PCM_16", "ogg": "VORBIS", "mp3": "MPEG_LAYER_III"}


def encode(samples: NDArray[np.float32], sample_rate: int, format: str) -> bytes:
    """A file without tags.

    Args:
        samples: float32 of shape (frames, channels), -1..1; 1 or 2 channels.
        sample_rate: In Hz.
        format: One of ``FORMATS``.

    Raises:
        ValueError: If the format is another.
    """
    if format not in FORMATS:
        raise ValueError(f"format {format!r}: use one of {', '.join(FORMATS)}")
    out = io.BytesIO()
    if format == "m4a":
        _encode_aac(out, samples, sample_rate)
    else:
        channels = samples.shape[1]
        options = {"format": format.upper(), "subtype": _SUBTYPES[format]}
        with soundfile.SoundFile(out, "w", sample_rate, channels, **options) as file:
            # libsndfile's Vorbis encoder overruns its stack when given minutes at once.
            for start in range(0, len(samples), 65_536):
                file.write(samples[start : start + 65_536])
    return out.getvalue()


def tag(data: bytes, format: str, tags: Tags) -> bytes:
    """The same file with tags in the container's own way, the sound untouched."""
    if format == "mp3":
        return _id3(tags) + data
    if format == "wav":
        chunk = _id3(tags)
        chunk += b"\0" * (len(chunk) % 2)
        body = data[8:] + b"id3 " + struct.pack("<I", len(chunk)) + chunk
        return b"RIFF" + struct.pack("<I", len(body)) + body
    return _remux(data, format, tags)


def _encode_aac(out: io.BytesIO, samples: NDArray[np.float32], sample_rate: int) -> None:
    layout = "stereo" if samples.shape[1] == 2 else "mono"
    with av.open(out, "w", format="ipod") as container:
        stream = container.add_stream("aac", rate=sample_rate, layout=layout)
        stream.bit_rate = 160_000
        # The encoder takes 1024 samples at a time; the last block may be shorter.
        for start in range(0, len(samples), 1024):
            block = np.ascontiguousarray(samples[start : start + 1024].T)
            frame = av.AudioFrame.from_ndarray(block, format="fltp", layout=layout)
            frame.sample_rate = sample_rate
            frame.pts = start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _remux(data: bytes, format: str, tags: Tags) -> bytes:
    out = io.BytesIO()
    muxer = "ipod" if format == "m4a" else format
    tempo = "tmpo" if format == "m4a" else "BPM"
    with av.open(io.BytesIO(data), "r") as source, av.open(out, "w", format=muxer) as target:
        target.metadata.update(
            {
                "title": tags.title,
                "artist": tags.artist,
                "album": tags.album,
                "genre": tags.genre,
                "comment": tags.comment,
                "date": str(tags.year),
                tempo: str(tags.bpm),
            }
        )
        stream = source.streams.audio[0]
        copy = target.add_stream_from_template(stream)
        for packet in source.demux(stream):
            if packet.dts is not None:
                packet.stream = copy
                target.mux(packet)
    return out.getvalue()


def _id3(tags: Tags) -> bytes:
    """An ID3v2.4 tag (id3.org, "ID3 tag version 2.4.0"), texts in UTF-8."""
    frames = b""
    for name, text in (
        ("TIT2", tags.title),
        ("TPE1", tags.artist),
        ("TALB", tags.album),
        ("TCON", tags.genre),
        ("TDRC", str(tags.year)),
        ("TBPM", str(tags.bpm)),
        ("COMM", tags.comment),
    ):
        # A comment has a language and an empty short description before its text.
        head = b"\x03eng\0" if name == "COMM" else b"\x03"
        body = head + text.encode()
        frames += name.encode() + _syncsafe(len(body)) + b"\0\0" + body
    return b"ID3\x04\0\0" + _syncsafe(len(frames)) + frames


def _syncsafe(number: int) -> bytes:
    """28 bits in four bytes whose top bit is 0."""
    return bytes(number >> shift & 0x7F for shift in (21, 14, 7, 0))
