"""Identity by sound, and by packets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.synth.catalogue import Tags
from indexer.synth.files import tag
from retrieval.audio import Limits, SoundDigest, open_audio, stream_digest
from retrieval.core.errors import AudioError
from retrieval.core.tracks import TRACK_ID
from tests import signals

TAGS = Tags(
    "Another Title", "Someone Else", "Elsewhere", "Polka", "a longer comment " * 9, 1987, 99
)


def track_id(data: bytes | Path) -> str:
    with open_audio(data, Limits()) as reader:
        digest = SoundDigest(reader.sample_rate, reader.channels)
        for block in reader.blocks():
            digest.update(block)
    return digest.track_id()


def sound(seed: int = 1) -> np.ndarray:
    return signals.to_int16(signals.song(seed, 2.0))


def test_lossless_copies_are_one_recording() -> None:
    ids = {track_id(signals.encode(sound(), format=kind)) for kind in signals.LOSSLESS}
    assert len(ids) == 1
    assert TRACK_ID.match(ids.pop())


def test_more_bits_of_the_same_sound_are_the_same_recording() -> None:
    plain = track_id(signals.encode(sound()))
    for kind in ("PCM_24", "PCM_32", "FLOAT", "DOUBLE"):
        wide = sound() if kind.startswith("PCM") else sound() / np.float32(32768.0)
        assert track_id(signals.encode(wide, subtype=kind)) == plain


@pytest.mark.parametrize(("bits", "subtypes"), [(8, ("PCM_U8", "PCM_S8")), (24, ("PCM_24",) * 2)])
def test_sound_of_other_widths_is_one_recording_in_every_format(
    bits: int, subtypes: tuple[str, str]
) -> None:
    steps = np.random.default_rng(0).integers(-(2 ** (bits - 1)), 2 ** (bits - 1), (30_000, 2))
    wide = (steps << (32 - bits)).astype(np.int32)
    ids = {
        track_id(signals.encode(wide, format=kind, subtype=subtypes[kind != "wav"]))
        for kind in ("wav", "flac", "aiff")
    }
    assert len(ids) == 1


def test_other_sound_is_another_recording() -> None:
    once = sound()
    changed = once.copy()
    changed[len(once) // 2, 0] ^= 1
    ids = [
        track_id(signals.encode(once)),
        track_id(signals.encode(changed)),
        track_id(signals.encode(once[:, ::-1])),
        track_id(signals.encode(once[1:])),
        track_id(signals.encode(once[:, :1])),
        track_id(signals.encode(once.reshape(-1, 1))),
        track_id(signals.encode(once, 48_000)),
        track_id(signals.encode(once, format="mp3")),
    ]
    assert len(set(ids)) == len(ids)


@settings(max_examples=40, deadline=None)
@given(
    cuts=st.lists(st.integers(0, 4_000), max_size=12),
    channels=st.integers(1, 3),
    seed=st.integers(0, 9),
)
def test_blocks_of_any_size_give_one_identity(cuts: list[int], channels: int, seed: int) -> None:
    samples = np.random.default_rng(seed).uniform(-1.2, 1.2, (4_000, channels)).astype(np.float32)
    whole, parts = SoundDigest(8_000, channels), SoundDigest(8_000, channels)
    whole.update(samples)
    for piece in np.split(samples, sorted(cuts)):
        parts.update(piece)
    assert parts.track_id() == whole.track_id()


@pytest.mark.parametrize("format", ["wav", "flac", "mp3", "ogg", "m4a"])
def test_retagging_and_renaming_keep_both_identities(tmp_path: Path, format: str) -> None:
    data = signals.encode(sound(), format=format)
    plain, tagged = tmp_path / f"a.{format}", tmp_path / f"B.{format.upper()}"
    plain.write_bytes(data)
    tagged.write_bytes(tag(data, format, TAGS))
    assert plain.read_bytes() != tagged.read_bytes()
    assert stream_digest(plain) == stream_digest(tagged)
    assert track_id(plain) == track_id(tagged)


def test_id3_version_1_at_the_end_is_a_tag_too(tmp_path: Path) -> None:
    data = signals.encode(sound(), format="mp3")
    plain, tagged = tmp_path / "a.mp3", tmp_path / "b.mp3"
    plain.write_bytes(data)
    tagged.write_bytes(data + b"TAG" + b"Title".ljust(125, b"\0"))
    assert stream_digest(plain) == stream_digest(tagged)
    assert track_id(plain) == track_id(tagged)


@pytest.mark.parametrize("format", signals.FORMATS)
def test_packets_of_another_sound_differ(tmp_path: Path, format: str) -> None:
    paths = [tmp_path / "a", tmp_path / "b"]
    for seed, path in enumerate(paths):
        path.write_bytes(signals.encode(sound(seed), format=format))
    first, second = (stream_digest(path) for path in paths)
    assert first != second
    assert len(first) == len(second) == 32


def test_one_changed_byte_of_sound_changes_the_packets(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    data = bytearray(signals.encode(sound()))
    path.write_bytes(bytes(data))
    before = stream_digest(path)
    data[-1] ^= 1
    path.write_bytes(bytes(data))
    assert stream_digest(path) != before


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "AUDIO_EMPTY"),
        (b"words " * 99, "AUDIO_UNSUPPORTED"),
        (b"fLaC" + b"\0" * 99, "AUDIO_UNREADABLE"),
    ],
)
def test_no_digest_of_what_is_not_sound(tmp_path: Path, data: bytes, reason: str) -> None:
    path = tmp_path / "x.mp3"
    path.write_bytes(data)
    with pytest.raises(AudioError, match=r"x\.mp3") as caught:
        stream_digest(path)
    assert caught.value.reason == reason
