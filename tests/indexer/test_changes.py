"""What a run makes of files that changed: retagged, renamed, copied, replaced, gone."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.indexer.conftest import Place, retag
from tests.signals import encode, song, to_int16


def touch(path: Path) -> None:
    """Make sure that a change is seen, however coarse the file system's clock."""
    status = path.stat()
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1_000_000_000))


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
    report = place.index(workers=2)
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


def test_swapped_names(place: Place) -> None:
    for seed in range(4):
        place.song(f"{seed}.flac", seed, title=f"Song {seed}")
    place.index()
    before = {track.payload["title"]: track.id for track in place.tracks()}
    place.work()
    for seed in range(4):
        (place.music / f"{seed}.flac").rename(place.music / f"{seed}.tmp")
    for seed in range(4):
        (place.music / f"{seed}.tmp").rename(place.music / f"{(seed + 1) % 4}.flac")
        touch(place.music / f"{(seed + 1) % 4}.flac")
    report = place.index(batch=1)
    assert (report.updated, report.removed, report.failed) == (4, 0, ())
    assert {track.payload["title"]: track.id for track in place.tracks()} == before
    assert place.track("1.flac").payload["title"] == "Song 0"
    assert all(len(track.paths) == 1 for track in place.tracks())
    assert "forward" not in place.log.lines()


def test_moved_and_deleted_from_the_library_comes_back(place: Place) -> None:
    path = place.song("a.flac", 1)
    place.index()
    place.library.delete_tracks([place.track("a.flac").id])
    path.rename(place.music / "b.flac")
    report = place.index()
    assert report.indexed == 1
    assert place.track("b.flac").paths == (str(place.music / "b.flac"),)
