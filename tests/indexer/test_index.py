"""What a run does to the library, over real files, workers and an embedded store."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from indexer import Progress, Stage
from retrieval.core.queries import SearchRequest, TextQuery, WeightedQuery
from retrieval.search import LocalLibrary
from tests.indexer.conftest import Place, retag
from tests.indexer.encoders import BandsEncoder
from tests.signals import encode, song, to_int16


def touch(path: Path) -> None:
    """Make sure that a change is seen, however coarse the file system's clock."""
    status = path.stat()
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1_000_000_000))


def test_first_run_and_second_run(place: Place) -> None:
    place.song("Jazz/So What.flac", 1, title="So What", artist="Miles Davis", year=1959)
    place.song("Rock/02 untagged_song.WAV", 2, format="wav")
    place.song("c.ogg", 3, title="Third", genre="Folk;Rock", bpm=96)
    told: list[Progress] = []
    report = place.index(progress=told.append)
    assert (report.found, report.indexed, report.failed) == (3, 3, ())
    assert told[-1].stage is Stage.FINISH
    assert (told[-1].done, told[-1].total) == (3, 3)
    assert told[-1].audio_seconds == pytest.approx(3.6, abs=0.2)
    assert [p.done for p in told] == sorted(p.done for p in told if p.stage is not Stage.SCAN) or (
        told[0].stage is Stage.SCAN
    )

    track = place.track("Jazz/So What.flac")
    assert track.payload["title"] == "So What"
    assert track.payload["artist"] == "Miles Davis"
    assert track.payload["year"] == 1959
    assert track.payload["folder"] == "Jazz"
    assert track.payload["format"] == "flac"
    assert track.payload["sample_rate"] == 16_000
    assert track.payload["channels"] == 2
    assert track.payload["duration"] == pytest.approx(1.2)
    assert "brightness" in track.payload
    assert place.track("Rock/02 untagged_song.WAV").payload["title"] == "02 untagged_song"
    assert place.track("c.ogg").payload["genre"] == ("Folk", "Rock")
    assert place.track("c.ogg").payload["bpm"] == 96.0
    for record in place.records():
        assert set(record.vectors) == {"perceptual", "lexical"}
        assert len(record.segments) == 1
    assert place.work() == 3

    before = place.records()
    report = place.index()
    assert (report.found, report.unchanged) == (3, 3)
    assert place.work() == 0
    assert [r.payload for r in place.records()] == [r.payload for r in before]


def test_words_are_searched(place: Place) -> None:
    place.song("Jazz/a.flac", 1, title="So What", artist="Miles Davis")
    place.song("b.flac", 2, title="Blue Train")
    place.index()
    library = place.library
    assert isinstance(library, LocalLibrary)
    query = WeightedQuery(TextQuery("miles"), spaces=("lexical",))
    hits = library.search(SearchRequest((query,))).hits
    assert [hit.track.payload["title"] for hit in hits] == ["So What"]


@pytest.mark.parametrize("format", ["wav", "flac", "mp3", "ogg", "m4a"])
def test_retag_decodes_and_encodes_nothing(place: Place, format: str) -> None:
    bare = encode(song(1, 1.2, rate=16_000), 16_000, format)
    path = place.music / f"a.{format}"
    path.write_bytes(retag(bare, format, title="Before"))
    place.index()
    assert place.work() == 1
    before = place.records()

    path.write_bytes(retag(bare, format, title="After", artist="Someone"))
    touch(path)
    report = place.index()
    assert (report.updated, report.indexed, report.failed) == (1, 0, ())
    assert place.work() == 0
    (after,) = place.records()
    assert after.payload["title"] == "After"
    assert after.id == before[0].id
    assert np.array_equal(after.vectors["perceptual"], before[0].vectors["perceptual"])
    assert len(after.segments) == len(before[0].segments) == 1


def test_touch_is_unchanged(place: Place) -> None:
    path = place.song("a.flac", 1, title="Song")
    place.index()
    touch(path)
    report = place.index()
    assert (report.unchanged, report.updated) == (1, 0)
    assert place.index().unchanged == 1
    assert place.work() == 1


def test_rename_without_prune_keeps_the_old_path(place: Place) -> None:
    path = place.song("b.flac", 1, title="Song")
    place.index()
    (place.music / "New").mkdir()
    path.rename(place.music / "New/c.flac")
    report = place.index()
    assert (report.found, report.updated, report.removed) == (1, 1, 0)
    assert place.work() == 1
    (track,) = place.tracks()
    # The file that is there comes first and gives the folder.
    assert track.paths == (str(place.music / "New/c.flac"), str(place.music / "b.flac"))
    assert track.payload["folder"] == "New"
    assert place.index().unchanged == 1


def test_rename_and_retag_with_prune(place: Place) -> None:
    bare = encode(song(1, 1.2, rate=16_000), 16_000, "mp3")
    (place.music / "a.mp3").write_bytes(retag(bare, "mp3", title="One"))
    place.song("other.flac", 2)
    place.index()
    (place.music / "a.mp3").unlink()
    (place.music / "z.mp3").write_bytes(retag(bare, "mp3", title="Two"))
    report = place.index(prune=True)
    assert (report.found, report.updated, report.unchanged, report.removed) == (2, 1, 1, 0)
    assert place.work() == 2
    track = place.track("z.mp3")
    assert track.paths == (str(place.music / "z.mp3"),)
    assert track.payload["title"] == "Two"


def test_moved_between_roots(place: Place) -> None:
    place.song("one/a.flac", 1)
    place.song("two/b.flac", 2)
    place.index(place.music / "one")
    (place.music / "one/a.flac").rename(place.music / "two/a.flac")
    report = place.index(place.music / "two")
    assert (report.indexed, report.updated) == (1, 1)
    assert place.work() == 2


def test_duplicates_are_one_track(place: Place) -> None:
    sound = to_int16(song(1, 1.2, rate=16_000))
    bare = encode(sound, 16_000, "flac")
    (place.music / "b.flac").write_bytes(retag(bare, "flac", title="B"))
    (place.music / "a.flac").write_bytes(retag(bare, "flac", title="A"))
    # The same samples in another container: known by the decoded sound alone.
    (place.music / "c.wav").write_bytes(encode(sound, 16_000, "wav"))
    report = place.index()
    assert (report.found, report.indexed, report.duplicates) == (3, 1, 2)
    (track,) = place.tracks()
    assert track.paths == tuple(str(place.music / name) for name in ("a.flac", "b.flac", "c.wav"))
    assert track.payload["title"] == "A"
    # The two FLACs have the same packets, so that only one of them is decoded.
    assert place.work() <= 2

    (place.music / "a.flac").unlink()
    report = place.index(prune=True)
    assert (report.unchanged, report.removed) == (2, 0)
    (track,) = place.tracks()
    assert track.payload["title"] == "B"
    assert track.paths == tuple(str(place.music / name) for name in ("b.flac", "c.wav"))

    (place.music / "b.flac").unlink()
    (place.music / "c.wav").unlink()
    report = place.index(prune=True)
    assert (report.found, report.removed) == (0, 1)
    assert place.tracks() == []


def test_a_copy_in_a_later_run_is_a_duplicate(place: Place) -> None:
    path = place.song("b.flac", 1)
    place.index()
    shutil.copy(path, place.music / "a.flac")
    report = place.index()
    assert (report.unchanged, report.duplicates) == (1, 1)
    assert place.work() == 1
    assert len(place.tracks()) == 1
    report = place.index()
    assert report.unchanged == 2


def test_replaced_by_other_sound(place: Place) -> None:
    place.song("a.flac", 1, title="Old")
    place.song("b.flac", 2)
    place.index()
    old = place.track("a.flac").id
    touch(place.song("a.flac", 3, title="New"))
    report = place.index()
    assert (report.updated, report.unchanged, report.removed) == (1, 1, 1)
    assert place.track("a.flac").payload["title"] == "New"
    assert old not in {track.id for track in place.tracks()}
    assert len(place.tracks()) == 2


def test_replaced_by_a_known_recording(place: Place) -> None:
    place.song("a.flac", 1)
    place.song("b.flac", 2)
    place.index()
    shutil.copy(place.music / "b.flac", place.music / "a.flac")
    touch(place.music / "a.flac")
    report = place.index()
    assert (report.updated, report.unchanged, report.removed) == (1, 1, 1)
    (track,) = place.tracks()
    assert len(track.paths) == 2
    assert place.work() == 2


def test_prune_stays_inside_the_given_roots(place: Place) -> None:
    place.song("one/a.flac", 1)
    place.song("two/b.flac", 2)
    place.index()
    (place.music / "one/a.flac").unlink()
    (place.music / "two/b.flac").unlink()
    report = place.index(place.music / "one", prune=True)
    assert (report.found, report.removed) == (0, 1)
    assert [track.paths for track in place.tracks()] == [(str(place.music / "two/b.flac"),)]


def test_nothing_is_pruned_where_the_root_is_missing(place: Place) -> None:
    place.song("disc/a.flac", 1)
    place.index()
    (place.music / "disc").rename(place.music / "unplugged")
    report = place.index(place.music / "disc", prune=True)
    assert [(f.path, f.reason) for f in report.failed] == [
        (str(place.music / "disc"), "PATH_NOT_FOUND")
    ]
    assert len(place.tracks()) == 1


def test_nothing_is_pruned_where_a_drive_is_missing(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = place.song("disc/a.flac", 1)
    place.index(place.music / "disc")
    path.unlink()
    # What an empty mount point looks like: the folder is there, on the device below it.
    monkeypatch.setattr("indexer.run.device_of", lambda root: -1)
    report = place.index(place.music / "disc", prune=True)
    assert [note.reason for note in report.notes] == ["ROOT_CHANGED"]
    assert len(place.tracks()) == 1
    monkeypatch.undo()
    assert place.index(place.music / "disc", prune=True).removed == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser reads every folder")
def test_nothing_is_pruned_below_an_unreadable_folder(place: Place) -> None:
    place.song("closed/a.flac", 1)
    place.index()
    (place.music / "closed").chmod(0)
    try:
        report = place.index(prune=True)
    finally:
        (place.music / "closed").chmod(0o755)
    assert [f.reason for f in report.failed] == ["FOLDER_UNREADABLE"]
    assert len(place.tracks()) == 1


def test_a_file_that_breaks_keeps_its_track(place: Place) -> None:
    path = place.song("a.flac", 1, title="Good")
    place.index()
    path.write_bytes(b"no longer sound")
    touch(path)
    report = place.index(prune=True)
    assert [f.reason for f in report.failed] == ["AUDIO_UNSUPPORTED"]
    assert place.track("a.flac").payload["title"] == "Good"


def test_folder_words_are_of_the_outermost_root(place: Place) -> None:
    place.song("Rock/Live/a.flac", 1)
    place.index(place.music / "Rock")
    assert place.track("Rock/Live/a.flac").payload["folder"] == "Live"
    report = place.index()
    assert report.updated == 1
    assert place.track("Rock/Live/a.flac").payload["folder"] == "Rock/Live"
    report = place.index(place.music / "Rock/Live")
    assert report.unchanged == 1
    assert place.track("Rock/Live/a.flac").payload["folder"] == "Rock/Live"
    assert place.work() == 1


def test_sidecar_updates_without_encoding(place: Place, tmp_path: Path) -> None:
    place.song("a.flac", 1, title="Tagged", artist="Someone")
    place.song("b.flac", 2)
    sidecar = tmp_path / "more.csv"
    sidecar.write_text("path,title,mood,plays\na.flac,Given,calm,3\nb.flac,,wild,12\n")
    place.index(metadata=sidecar)
    first = place.track("a.flac").payload
    assert (first["title"], first["artist"], first["mood"], first["plays"]) == (
        "Given",
        "Someone",
        "calm",
        3,
    )
    sidecar.write_text("path,title,mood,plays\na.flac,,calm,4\nb.flac,,wild,12\n")
    report = place.index(metadata=sidecar)
    assert (report.updated, report.unchanged) == (1, 1)
    payload = place.track("a.flac").payload
    assert (payload["title"], payload["plays"]) == ("Tagged", 4)
    # Without --metadata the values stay.
    assert place.index().unchanged == 2
    assert place.track("b.flac").payload["mood"] == "wild"
    # A file that is given without a row for it loses them.
    sidecar.write_text("path,mood\na.flac,calm\n")
    place.index(metadata=sidecar)
    assert "mood" not in place.track("b.flac").payload
    assert place.work() == 2


def test_sidecar_notes_fail_no_file(place: Place, tmp_path: Path) -> None:
    place.song("a.flac", 1)
    sidecar = tmp_path / "more.json"
    rows = [{"path": "a.flac", "year": "soon"}, {"path": "elsewhere.flac", "year": 1999}]
    sidecar.write_text(json.dumps(rows))
    report = place.index(metadata=sidecar)
    assert (report.indexed, report.failed) == (1, ())
    assert len(report.notes) == 2
    assert "year" not in place.track("a.flac").payload


def test_one_more_space_encodes_that_space_only(place: Place) -> None:
    for seed in range(3):
        place.song(f"{seed}.flac", seed, seconds=3.0)
    place.index()
    assert place.work() == 3
    before = {record.id: record for record in place.records()}

    place.encoders.append(BandsEncoder(place.log.path))
    report = place.index()
    assert (report.updated, report.indexed, report.failed) == (3, 0, ())
    lines = place.log.lines()
    assert lines == ["bands"] * 6
    for record in place.records():
        old = before[record.id]
        assert record.payload == old.payload
        assert set(record.vectors) == {"perceptual", "lexical", "bands"}
        assert np.array_equal(record.vectors["perceptual"], old.vectors["perceptual"])
        spans = {segment.span: set(segment.vectors) for segment in record.segments}
        assert sum("perceptual" in spaces for spaces in spans.values()) == 1
        assert sum("bands" in spaces for spaces in spans.values()) == 2
    assert place.index().unchanged == 3


def test_a_library_without_records_is_encoded_again_in_full(place: Place) -> None:
    class WriterOnly:
        """What the indexer needs of a library, and no more."""

        def __init__(self, library: LocalLibrary) -> None:
            for name in ("declare", "write", "update", "fetch", "delete_tracks"):
                setattr(self, name, getattr(library, name))
            self.refit, self.optimize = library.refit, library.optimize

    place.song("a.flac", 1, seconds=3.0)
    assert isinstance(place.library, LocalLibrary)
    place.library = WriterOnly(place.library)  # type: ignore[assignment]
    place.index()
    place.encoders.append(BandsEncoder())
    report = place.index()
    assert report.updated == 1
    (record,) = place.records()
    assert set(record.vectors) == {"perceptual", "lexical", "bands"}
    assert place.work() == 2


def test_a_track_that_the_library_lost_comes_back(place: Place) -> None:
    place.song("a.flac", 1)
    place.song("b.flac", 2)
    place.index()
    place.library.delete_tracks([place.track("a.flac").id])
    report = place.index()
    assert (report.indexed, report.unchanged) == (1, 1)
    assert len(place.tracks()) == 2


def test_another_library_starts_anew(place: Place) -> None:
    place.song("a.flac", 1)
    place.index()
    place.close()
    for folder in place.data.iterdir():
        if folder.name != "manifests":
            shutil.rmtree(folder)
    place.open()
    report = place.index()
    assert report.indexed == 1
    assert len(place.tracks()) == 1


def test_a_lost_manifest_keeps_the_date(place: Place) -> None:
    place.song("a.flac", 1)
    place.index()
    since = place.track("a.flac").payload["indexed_at"]
    place.library.update([])
    shutil.rmtree(place.data / "manifests")
    report = place.index()
    assert report.indexed == 1
    assert place.track("a.flac").payload["indexed_at"] == since


def test_statistics_are_frozen_from_sixteen_tracks(place: Place) -> None:
    for seed in range(15):
        place.song(f"{seed}.flac", seed, seconds=1.1)
    place.index()
    assert isinstance(place.library, LocalLibrary)
    assert place.library.info().statistics == {}
    place.song("last.flac", 15, seconds=1.1)
    place.index()
    frozen = place.library.info().statistics["perceptual"]
    assert frozen.count == 16
    place.song("more.flac", 16, seconds=1.1)
    place.index()
    assert place.library.info().statistics["perceptual"] == frozen
