"""What is remembered of weights never outlives the files it came of."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from retrieval.core.errors import PreconditionError
from retrieval.encoders import fingerprint
from retrieval.encoders.fingerprint import Fingerprint
from retrieval.encoders.weights_memo import LazyWeights, Memo

CODE = ("retrieval.encoders.weights_memo",)
SHA = "ab" * 32


@dataclass(frozen=True, slots=True)
class Length:
    """What there is to know of a file."""

    length: int


@pytest.fixture(autouse=True)
def settled_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fingerprint, "_SETTLED", 0.0)


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    files = [tmp_path / "weights.bin", tmp_path / "config.json"]
    for path in files:
        path.write_bytes(b"0123456789")
    return files


def memo(files: list[Path]) -> Memo[Length]:
    return Memo(files[0].parent / "graphs", Length, files, CODE)


def test_what_was_kept_is_known_again(files: list[Path]) -> None:
    assert memo(files).recall(None) is None
    memo(files).keep(Length(10), None)
    assert memo(files).recall(None) == Length(10)
    (kept,) = (files[0].parent / "graphs").iterdir()
    kept.write_bytes(kept.read_bytes()[:-9])
    assert memo(files).recall(None) is None


def _rewritten(path: Path) -> None:
    path.write_bytes(b"9876543210")


def _with_its_old_time(path: Path) -> None:
    before = path.stat()
    path.write_bytes(b"9876543210")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def _one_byte_in_place(path: Path) -> None:
    before = path.stat()
    with path.open("r+b") as file:
        file.seek(5)
        file.write(b"x")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def _replaced(path: Path) -> None:
    before = path.stat()
    other = path.with_name("other")
    other.write_bytes(b"9876543210")
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(path)


def _linked(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(b"9876543210")
    path.unlink()
    path.symlink_to(other)


def _grown(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"!")


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize(
    "change",
    [_rewritten, _with_its_old_time, _one_byte_in_place, _replaced, _linked, _grown, Path.unlink],
)
def test_a_changed_file_is_read_again(
    change: Callable[[Path], None], which: int, files: list[Path]
) -> None:
    memo(files).keep(Length(10), None)
    change(files[which])
    assert memo(files).recall(None) is None


def test_a_copy_elsewhere_is_read_again(files: list[Path], tmp_path: Path) -> None:
    memo(files).keep(Length(10), None)
    moved = [tmp_path / "moved", files[1]]
    files[0].rename(moved[0])
    assert memo(moved).recall(None) is None


def test_nothing_is_kept_of_a_file_that_changed_while_it_was_read(files: list[Path]) -> None:
    begun = memo(files)
    _with_its_old_time(files[0])
    begun.keep(Length(10), None)
    assert memo(files).recall(None) is None


def test_nothing_is_kept_of_a_file_whose_next_write_may_leave_the_same_time(
    files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fingerprint, "_SETTLED", 2.0)
    found = Fingerprint.of(files[0])
    assert found is not None
    assert not found.settled
    memo(files).keep(Length(10), None)
    assert memo(files).recall(None) is None
    # Two seconds later, and no sooner, it is.
    for late, settled in ((1.9, False), (2.1, True)):
        now = found.ctime_ns + int(late * 1e9)
        monkeypatch.setattr("time.time_ns", lambda now=now: now)
        assert found.settled == settled


def test_a_digest_that_was_not_checked_is_checked(files: list[Path]) -> None:
    memo(files).keep(Length(10), None)
    assert memo(files).recall(SHA) is None
    memo(files).keep(Length(10), SHA.upper())
    for held in (SHA, SHA.upper(), None):
        assert memo(files).recall(held) == Length(10)
    assert memo(files).recall("cd" * 32) is None


def test_weights_are_read_only_where_something_is_built_of_them(files: list[Path]) -> None:
    read: list[int] = []

    def model() -> tuple[Length, str]:
        read.append(files[0].stat().st_size)
        return Length(read[-1]), "model"

    def weights() -> LazyWeights[Length, str]:
        return LazyWeights(memo(files), model, sha256=None, path=files[0])

    first = weights()
    assert (first.facts, first.recalled, read) == (Length(10), False, [10])
    # Some check has yet to pass.
    assert not weights().recalled
    read.clear()
    first.found_sound()
    second = weights()
    assert (second.facts, second.recalled, read) == (Length(10), True, [])
    assert second.model == second.model == "model"
    assert read == [10]
    third = weights()
    _grown(files[0])
    with pytest.raises(PreconditionError, match="replaced while they were in use") as caught:
        _ = third.model
    assert caught.value.reason == "REVISION_MISMATCH"
