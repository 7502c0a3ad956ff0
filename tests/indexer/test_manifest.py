from __future__ import annotations

import os
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from indexer.manifest import Manifest, RunLock, manifest_path
from indexer.rows import FileRow, TrackRow, compose, payload_digest
from retrieval.core.errors import StoreError

TRACK = TrackRow("t1", {"duration": 1.5}, "2026-01-01T00:00:00+00:00", "d", {"perceptual": "r1"})
FILE = FileRow(
    path="/music/Jazz/a.flac",
    root="/music",
    size=3,
    mtime_ns=2**62,
    stream_digest="s1",
    track_id="t1",
    format="flac",
    tags={"title": "Ä", "genre": ("x", "y"), "year": 1999},
    tags_revision=1,
    sidecar={"live": True, "score": 0.5},
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "manifest.sqlite"


def fill(path: Path, *files: FileRow, library: str = "lib") -> Manifest:
    manifest = Manifest(path, library)
    with manifest.transaction():
        manifest.put_track(TRACK)
        for row in files or (FILE,):
            manifest.put_file(row)
    return manifest


def test_rows_come_back_as_they_were(path: Path) -> None:
    fill(path).close()
    manifest = Manifest(path, "lib")
    assert manifest.file(FILE.path) == FILE
    assert manifest.files_of("t1") == [FILE]
    assert manifest.file_with_digest("s1") == FILE
    assert manifest.track("t1") == TRACK
    assert manifest.file("/music") is None
    assert manifest.track("t2") is None
    assert manifest.file_with_digest("s2") is None
    assert manifest.count_encoded("perceptual") == 1
    assert manifest.count_encoded("other") == 0
    manifest.close()


def test_names_that_are_no_unicode(path: Path) -> None:
    row = replace(FILE, path=os.fsdecode(b"/music/caf\xe9.wav"))
    assert fill(path, row).file(row.path) == row


def test_files_under_a_folder(path: Path) -> None:
    names = ("/music", "/music/a", "/music/a/b", "/music0", "/music-2/c", "/other")
    manifest = fill(path, *(replace(FILE, path=name) for name in names))
    assert [r.path for r in manifest.files_under("/music")] == ["/music", "/music/a", "/music/a/b"]
    assert len(list(manifest.files_under("/"))) == 6


def test_a_transaction_is_all_or_nothing(path: Path) -> None:
    manifest = fill(path)
    other = Manifest(path, "lib")
    with pytest.raises(RuntimeError), manifest.transaction():
        manifest.delete_tracks(["t1"])
        assert manifest.file(FILE.path) is None
        assert other.file(FILE.path) == FILE
        raise RuntimeError
    assert manifest.file(FILE.path) == FILE
    with manifest.transaction():
        manifest.delete_file(FILE.path)
    assert other.file(FILE.path) is None


def test_a_file_needs_its_track(path: Path) -> None:
    manifest = fill(path)
    with pytest.raises(sqlite3.IntegrityError), manifest.transaction():
        manifest.put_file(replace(FILE, path="/x", track_id="none"))
    assert manifest.file("/x") is None
    with manifest.transaction():
        manifest.put_file(FILE)


def test_another_library_or_version_starts_anew(path: Path) -> None:
    fill(path).close()
    manifest = Manifest(path, "another")
    assert manifest.file(FILE.path) is None
    manifest.close()
    fill(path, library="another").close()
    database = sqlite3.connect(path)
    database.execute("PRAGMA user_version = 99")
    database.close()
    assert Manifest(path, "another").file(FILE.path) is None


def test_a_broken_file_starts_anew(path: Path) -> None:
    path.write_bytes(b"this is no database, " * 100)
    manifest = fill(path)
    assert manifest.file(FILE.path) == FILE


def test_a_folder_in_its_place_is_an_error(path: Path) -> None:
    path.mkdir()
    with pytest.raises(StoreError, match="manifest"):
        Manifest(path, "lib")


def test_one_run_at_a_time(path: Path) -> None:
    with RunLock(path):
        with pytest.raises(StoreError, match="another index run") as caught:
            RunLock(path)
        assert caught.value.reason == "STORE_LOCKED"
    with RunLock(path):
        pass


def test_the_id_never_becomes_a_path(tmp_path: Path) -> None:
    path = manifest_path(tmp_path, "../../etc/passwd")
    assert path.parent == tmp_path
    assert ".." not in path.name


def test_optimize_is_remembered(path: Path) -> None:
    manifest = fill(path)
    assert not manifest.unoptimized
    manifest.unoptimized = True
    assert Manifest(path, "lib").unoptimized


def test_the_payload_depends_on_the_rows_alone() -> None:
    bare = replace(FILE, path="/music/b.wav", tags={}, sidecar={}, format="wav")
    payload = compose(TRACK, [FILE, bare])
    assert payload == {
        "title": "Ä",
        "genre": ("x", "y"),
        "year": 1999,
        "folder": "Jazz",
        "live": True,
        "score": 0.5,
        "duration": 1.5,
        "format": "flac",
        "paths": ("/music/Jazz/a.flac", "/music/b.wav"),
        "indexed_at": "2026-01-01T00:00:00+00:00",
    }
    assert compose(TRACK, [bare, FILE]) == payload
    without = compose(TRACK, [bare, replace(FILE, missing=True)])
    assert (without["title"], without["format"]) == ("b", "wav")
    assert without["paths"] == ("/music/b.wav", "/music/Jazz/a.flac")
    assert without["live"] is True
    assert payload_digest(payload) != payload_digest(without)


def test_recordings_that_a_descriptor_has_not_described(path: Path) -> None:
    manifest = fill(path)
    described = {"t1": {}, "t2": {"words": 7}, "t3": {"words": 6}, "t4": {"ear": 1}, "t5": {}}
    with manifest.transaction():
        for name, versions in described.items():
            manifest.put_track(replace(TRACK, track_id=name, described=versions))
            if name != "t5":
                manifest.put_file(replace(FILE, path=f"/music/{name}.flac", track_id=name))

    def left(after: str = "", limit: int = 9) -> list[str]:
        return manifest.undescribed("words", 7, unless="ear", after=after, limit=limit)

    assert left() == ["t1", "t3"], "t2 is, t4 is by the other one, t5 is in no file"
    assert (left(limit=1), left(after="t1")) == (["t1"], ["t3"])
    manifest.close()
