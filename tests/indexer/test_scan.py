from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from indexer.scan import Scan, is_under, printable, scan


def fill(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"sound")


def names(found: Scan, root: Path) -> list[str]:
    return [os.path.relpath(path, root) for path in found.files]


def reasons(found: Scan) -> list[tuple[str, str]]:
    return [(Path(failure.path).name, failure.reason) for failure in found.failures]


@pytest.fixture
def music(tmp_path: Path) -> Path:
    folder = tmp_path / "music"
    folder.mkdir()
    return folder


def test_recursive_in_any_letter_case_and_stable(music: Path) -> None:
    fill(
        music, "b/Two.FLAC", "a.Mp3", "b/one.wav", "b/c/d.OPUS", "z.aiff", "notes.txt", "cover.jpg"
    )
    found = scan([music])
    assert names(found, music) == ["a.Mp3", "b/Two.FLAC", "b/c/d.OPUS", "b/one.wav", "z.aiff"]
    assert found.failures == []
    entry = found.files[str(music / "a.Mp3")]
    assert (entry.size, entry.root) == (5, str(music))
    assert scan([str(music)]).files == found.files


def test_hidden_files_are_skipped_unless_given(music: Path) -> None:
    fill(music, ".hidden.wav", "._a.wav", ".trash/b.wav", "c.wav")
    assert names(scan([music]), music) == ["c.wav"]
    found = scan([music, music / ".hidden.wav", music / ".trash"])
    assert names(found, music) == [".hidden.wav", ".trash/b.wav", "c.wav"]


def test_nested_and_repeated_roots_find_each_file_once(music: Path) -> None:
    fill(music, "Rock/a.wav", "b.wav")
    found = scan([music / "Rock", music, music / "b.wav", music])
    assert names(found, music) == ["Rock/a.wav", "b.wav"]
    assert {entry.root for entry in found.files.values()} == {str(music)}


def test_spelling_of_the_root_does_not_matter(music: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(music, "sub/a.wav")
    alias = music.parent / "alias"
    alias.symlink_to(music)
    monkeypatch.chdir(music)
    expected = scan([music]).files
    for spelling in (".", alias, music / "sub" / ".."):
        assert scan([spelling]).files == expected


def test_links(music: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    fill(outside, "secret.wav", "secret.txt")
    fill(music, "real/a.wav", ".store/key.wav")
    (music / "file-out.wav").symlink_to(outside / "secret.wav")
    (music / "text-out.txt").symlink_to(outside / "secret.txt")
    (music / "folder-out").symlink_to(outside)
    (music / "dangling.wav").symlink_to(music / "nothing.wav")
    (music / "loop").symlink_to(music)
    (music / "real/up").symlink_to(music / "real")
    (music / "round.wav").symlink_to(music / "round.wav")
    (music / "annexed.wav").symlink_to(music / ".store/key.wav")
    found = scan([music])
    assert names(found, music) == ["annexed.wav", "real/a.wav"]
    assert sorted(reasons(found)) == [
        ("dangling.wav", "FILE_UNREADABLE"),
        ("file-out.wav", "LINK_OUTSIDE"),
        ("folder-out", "LINK_OUTSIDE"),
        ("round.wav", "FILE_UNREADABLE"),
    ]
    # Given explicitly, a link is meant.
    assert names(scan([music / "file-out.wav"]), music) == ["file-out.wav"]


def test_what_is_no_regular_file_is_never_opened(
    music: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(music / "pipe.wav")
    with socket.socket(socket.AF_UNIX) as listener:
        # A socket's whole path may be too long for the kernel.
        monkeypatch.chdir(music)
        listener.bind("socket.mp3")
    (music / "folder.flac").mkdir()
    found = scan([music, music / "pipe.wav"])
    assert found.files == {}
    assert sorted(set(reasons(found))) == [("pipe.wav", "NOT_A_FILE"), ("socket.mp3", "NOT_A_FILE")]


def test_bad_roots_are_lines(music: Path) -> None:
    fill(music, "notes.txt", "a.wav")
    found = scan(
        [music / "nowhere", music / "notes.txt", music / "a.wav" / "b", "nul\0byte", music]
    )
    assert names(found, music) == ["a.wav"]
    assert sorted(reason for _, reason in reasons(found)) == [
        "NOT_AUDIO",
        "PATH_NOT_FOUND",
        "PATH_NOT_FOUND",
        "PATH_NOT_FOUND",
    ]
    assert found.roots == [str(music)]


def test_names_that_are_no_unicode(music: Path) -> None:
    path = os.fsencode(music) + b"/caf\xe9.wav"
    try:
        Path(os.fsdecode(path)).write_bytes(b"sound")
    except OSError:
        pytest.skip("this file system takes Unicode names only")
    found = scan([music])
    (name,) = found.files
    assert os.fsencode(name) == path
    assert printable(name).endswith("/caf\ufffd.wav")


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser reads every folder")
def test_unreadable_folder_is_a_line(music: Path) -> None:
    fill(music, "closed/a.wav", "b.wav")
    (music / "closed").chmod(0)
    try:
        found = scan([music])
    finally:
        (music / "closed").chmod(0o755)
    assert names(found, music) == ["b.wav"]
    assert reasons(found) == [("closed", "FOLDER_UNREADABLE")]
    assert not found.covers(str(music / "closed/a.wav"))
    assert found.covers(str(music / "gone.wav"))


def test_what_a_scan_covers(music: Path) -> None:
    found = scan([music])
    assert found.covers(str(music / "x/y.wav"))
    assert not found.covers(str(music) + "-other/y.wav")
    assert not scan([music / "nowhere"]).covers(str(music / "nowhere/a.wav"))
    assert is_under("/a", "/")


def test_stops_when_told(music: Path) -> None:
    fill(music, *(f"{i}.wav" for i in range(20)))
    found = scan([music], stop=lambda: True)
    assert found.stopped
    assert len(found.files) == 1
