"""Features on disk: private, gone with their reader, and to the bit those in memory."""

from __future__ import annotations

import pickle
import stat
from pathlib import Path

import numpy as np
import pytest

from retrieval.audio import open_audio
from retrieval.core.errors import BusyError, PreconditionError
from retrieval.encoders.audio_pass import PreparedTrack, forward_tracks, prepare_track
from retrieval.encoders.perceptual import PerceptualEncoder
from retrieval.encoders.protocol import AudioEncoder
from retrieval.encoders.registry import descriptions, load
from retrieval.encoders.spool import Spool
from tests import signals

PERCEPTUAL = PerceptualEncoder()


def audio_encoders() -> list[AudioEncoder]:
    found = []
    for description in descriptions():
        try:
            found.append(load(description.name))
        except PreconditionError:  # this environment has no packages or weights for it
            continue
    return [encoder for encoder in found if isinstance(encoder, AudioEncoder)]


def prepared(data: bytes, encoders: list[AudioEncoder], spool: Spool | None) -> PreparedTrack:
    with open_audio(data) as reader:
        track = prepare_track(reader, encoders, spool=spool)
    if spool is not None:
        spool.seal()
    return track


def test_what_is_read_back_is_what_was_prepared(tmp_path: Path) -> None:
    encoders = audio_encoders()
    assert "perceptual" in {encoder.space.name for encoder in encoders}
    data = signals.encode(signals.song(3, 33.0), signals.RATE, subtype="FLOAT")
    memory = prepared(data, encoders, None)
    large = prepared(data, encoders, Spool(tmp_path / "large", budget=1 << 30))
    small = prepared(data, encoders, Spool(tmp_path / "small", budget=100_000))
    assert large.spool is not None
    assert not large.spool.on_disk
    for other in (large, small):
        sent = pickle.loads(pickle.dumps(other))  # noqa: S301 - our own bytes
        for space, windows in memory.windows.items():
            assert [w.span for w in sent.windows[space]] == [w.span for w in windows]
            for one, two in zip(windows, sent.windows[space], strict=True):
                assert pickle.dumps(one.features) == pickle.dumps(two.features)
                assert one.audible == two.audible
        for one, two in zip(
            forward_tracks([memory], encoders), forward_tracks([sent], encoders), strict=True
        ):
            for space, vector in one.vectors.items():
                assert np.array_equal(vector, two.vectors[space])
            assert [s.span for s in one.segments] == [s.span for s in two.segments]
        sent.close()
    assert list(tmp_path.iterdir()) == []


def test_a_pickled_track_on_disk_is_small(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool", budget=1_000)
    for place in range(100):
        assert spool.add(np.full(10_000, place)) == place
    spool.seal()
    assert len(pickle.dumps(spool)) < 2_000
    assert spool.nbytes > 100 * 80_000
    spool.close()


def test_the_file_is_private_and_loses_its_name_when_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "spool"
    spool = Spool(path, budget=0)
    spool.add("first")
    spool.add("second")
    spool.seal()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    spool.adopt()
    assert not path.exists()
    assert [spool.read(1), spool.read(0), spool.read(1)] == ["second", "first", "second"]
    spool.close()
    spool.close()


def test_a_spool_that_nobody_reads_leaves_no_file(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool", budget=0)
    spool.add(b"x" * 100_000)
    assert (tmp_path / "spool").exists()
    spool.close()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_to(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "missing" / "spool", budget=100)
    spool.add(b"few")
    with pytest.raises(BusyError) as caught:
        spool.add(b"x" * 100)
    assert caught.value.reason == "DISK_FULL"
    assert str(tmp_path / "missing") in caught.value.message


def test_the_outline_of_a_track_has_no_features() -> None:
    data = signals.encode(signals.song(3, 25.0), signals.RATE, subtype="FLOAT")
    track = prepared(data, [PERCEPTUAL], None)
    outline = track.outline()
    assert [w.span for w in outline.windows["perceptual"]] == [
        w.span for w in track.windows["perceptual"]
    ]
    assert all(w.features is None for w in outline.windows["perceptual"])
    assert [w.span for w in track.windows["perceptual"][1:]] == [
        w.span for w in outline.windows["perceptual"][-2:]
    ]
