"""Real recordings, where the folder with them is there."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from indexer import IndexReport
from tests.indexer.conftest import Place
from tests.indexer.test_changes import touch

AUDIO = Path(__file__).parents[3] / "shared/audio"
SONGS = sorted(AUDIO.glob("*.ogg"))

pytestmark = pytest.mark.skipif(not SONGS, reason="no recordings at ../shared/audio")


def retagged(source: Path, target: Path, title: str) -> None:
    """The same packets in a new file with another title."""
    import av

    with av.open(str(source)) as container, av.open(str(target), "w", format="ogg") as out:
        out.metadata["title"] = title
        stream = container.streams.audio[0]
        copy = out.add_stream_from_template(stream)
        for packet in container.demux(stream):
            if packet.dts is not None:
                packet.stream = copy
                out.mux(packet)


def test_real_recordings(place: Place) -> None:
    for path in SONGS:
        shutil.copy(path, place.music)
    report: IndexReport = place.index()
    assert (report.found, report.indexed) == (8, 8)
    assert len(place.tracks()) == 8
    assert place.work() > 8
    speech = place.track("speech.ogg")
    assert speech.payload["sample_rate"] == 16_000
    assert speech.payload["channels"] == 1

    # The same file under another name adds no track.
    shutil.copy(place.music / "trumpet.ogg", place.music / "another name.ogg")
    report = place.index()
    assert (report.unchanged, report.duplicates) == (8, 1)
    assert len(place.tracks()) == 8

    # Retagging re-encodes nothing.
    before = place.track("fishin.ogg").id
    retagged(AUDIO / "fishin.ogg", place.music / "fishin.ogg", "A new title")
    touch(place.music / "fishin.ogg")
    report = place.index()
    assert (report.unchanged, report.updated) == (8, 1)
    track = place.track("fishin.ogg")
    assert (track.id, track.payload["title"]) == (before, "A new title")
    assert place.work() == 0
