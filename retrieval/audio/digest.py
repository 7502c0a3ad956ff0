"""Identities: of a recording by its sound, and of a file's sound by its packets."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from retrieval.audio.decoding import Block, DecodeError
from retrieval.audio.formats import sniff
from retrieval.core.errors import AudioError

_VERSION = b"segue sound 1"
_FULL_SCALE = 32_768.0


class SoundDigest:
    """The identity of a recording: a digest of its samples as 16-bit integers, rate and channels.

    The same 16-bit sound in WAV, FLAC or AIFF has one identity, whatever the tags; a lossy copy
    has another. How the samples are cut into blocks does not matter.
    """

    def __init__(self, sample_rate: int, channels: int) -> None:
        self._hash = hashlib.blake2b(digest_size=16)
        self._hash.update(_VERSION + b"|%d|%d|" % (sample_rate, channels))

    def update(self, block: Block) -> None:
        """Add the next block, float32 of shape (frames, channels), full scale 1."""
        scaled = np.rint(block * np.float32(_FULL_SCALE))
        np.clip(scaled, -_FULL_SCALE, _FULL_SCALE - 1, out=scaled)
        self._hash.update(np.ascontiguousarray(scaled.astype("<i2")).data)

    def track_id(self) -> str:
        """The track id so far: 32 lower-case hexadecimal digits."""
        return self._hash.hexdigest()


def stream_digest(path: Path) -> str:
    """A digest of a file's compressed sound, without decoding it.

    It stays the same when the file is renamed, moved or tagged anew, so that an indexer knows the
    sound at the cost of reading the file. It says nothing about other files: the same recording in
    another format has another stream digest (compare ``SoundDigest`` instead).

    Returns:
        32 lower-case hexadecimal digits.

    Raises:
        AudioError: AUDIO_EMPTY, AUDIO_UNSUPPORTED or AUDIO_UNREADABLE.
    """
    from retrieval.audio.ffmpeg import open_container, packets

    digest = hashlib.blake2b(digest_size=16)
    found = False
    try:
        with path.open("rb") as stream:
            container_format = sniff(stream)
            if container_format is None:
                reason = "AUDIO_UNSUPPORTED" if path.stat().st_size else "AUDIO_EMPTY"
                raise AudioError(f"{path}: not a supported sound file", reason=reason)
            with open_container(stream, container_format) as container:
                audio = container.streams.audio[0]
                head = f"segue stream 1|{audio.codec_context.name}|{audio.sample_rate}"
                digest.update(f"{head}|{audio.layout.nb_channels}|".encode())
                for packet in packets(container):
                    if packet.size:
                        found = True
                        digest.update(memoryview(packet))
    except (DecodeError, OSError) as error:
        raise AudioError(f"{path}: the file cannot be read: {error}") from error
    if not found:
        raise AudioError(f"{path}: the file holds no sound", reason="AUDIO_EMPTY")
    return digest.hexdigest()
