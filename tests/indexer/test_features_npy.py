"""Files of vectors are hostile: whatever they hold, they are read whole or refused in one word."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from indexer import features_npy
from indexer.features_npy import read_features, read_width, replace_file, to_bytes
from retrieval.core.errors import InvalidInputError

SHAPES = st.integers(1, 40).flatmap(
    lambda dim: st.sampled_from([(dim,), (1, dim), (1, 1, dim), (1, 3, dim)])
)
TYPES = st.sampled_from(["<f2", ">f2", "<f4", ">f4", "<f8", ">f8"])
# Finite in every type, and nowhere zero.
VALUES = st.floats(0.5, 1000.0, width=16)


def saved(array: object) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.asarray(array), allow_pickle=True)
    return buffer.getvalue()


def read(data: bytes, folder: Path) -> features_npy.Features:
    path = folder / "one.npy"
    path.write_bytes(data)
    return read_features(path)


def refused(data: bytes, folder: Path) -> str:
    with pytest.raises(InvalidInputError) as caught:
        read(data, folder)
    return caught.value.reason


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("npy")


@given(data=st.data(), shape=SHAPES, kind=TYPES, fortran=st.booleans())
def test_reads_what_numpy_saves(
    folder: Path, data: st.DataObject, shape: tuple[int, ...], kind: str, fortran: bool
) -> None:
    array = data.draw(arrays.arrays(kind, shape, elements=VALUES))
    if fortran:
        array = np.asfortranarray(array)
    found = read(saved(array), folder)
    assert found.rows.dtype == np.float32
    assert np.array_equal(found.rows, array.astype(np.float32).reshape(-1, shape[-1]))
    assert found.windowed == (len(shape) == 3)
    assert read_width(folder / "one.npy") == shape[-1]


@given(arrays.arrays("<f4", st.integers(1, 300), elements=st.floats(width=32, allow_nan=False)))
def test_what_is_written_is_read_to_the_bit(folder: Path, vector: np.ndarray) -> None:
    data = to_bytes(vector)
    assert np.load(io.BytesIO(data), allow_pickle=False).shape == (1, len(vector))
    if np.isfinite(vector).all() and vector.any():
        assert np.array_equal(read(data, folder).rows[0], vector)
    else:
        assert refused(data, folder) == "INVALID_VECTOR"


@given(st.binary(max_size=300))
def test_any_bytes_are_refused(folder: Path, data: bytes) -> None:
    assert refused(data, folder) == "FEATURES_UNREADABLE"


@given(data=st.data())
def test_damage_is_refused_or_harmless(folder: Path, data: st.DataObject) -> None:
    whole = bytearray(saved(np.arange(1.0, 9.0, dtype=np.float32).reshape(1, 8)))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(whole)))
    damaged = bytes(whole[: cut or None])
    try:
        rows = read(damaged, folder).rows
    except InvalidInputError as error:
        assert error.reason in {"FEATURES_UNREADABLE", "INVALID_VECTOR"}
        assert len(error.message) < 300
    else:
        assert rows.dtype == np.float32
        assert np.isfinite(rows).all()


@given(st.lists(st.integers(-3, 2**62), max_size=4).map(tuple))
def test_a_header_may_promise_what_it_likes(folder: Path, shape: tuple[int, ...]) -> None:
    text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape!r}, }}".encode()
    text += b" " * (-(10 + len(text) + 1) % 64) + b"\n"
    data = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + b"\0\0\x80?" * 2
    if shape in {(2,), (1, 2), (1, 1, 2), (1, 2, 1)}:
        assert read(data, folder).rows.all()
    else:
        assert refused(data, folder) == "FEATURES_UNREADABLE"


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (np.array([{"a": 1}], dtype=object), "FEATURES_UNREADABLE"),
        (np.array(["text"]), "FEATURES_UNREADABLE"),
        (np.ones(4, dtype=np.int32), "FEATURES_UNREADABLE"),
        (np.ones(4, dtype=np.complex64), "FEATURES_UNREADABLE"),
        (np.zeros((1, 2), dtype=[("a", "<f4"), ("b", "<f4")]), "FEATURES_UNREADABLE"),
        (np.float32(1.0), "FEATURES_UNREADABLE"),
        (np.zeros((2, 4), np.float32), "INVALID_VECTOR"),
        (np.ones((2, 3, 4), np.float32), "FEATURES_UNREADABLE"),
        (np.ones((1, 0), np.float32), "FEATURES_UNREADABLE"),
        (np.ones((1, 65_537), np.float16), "FEATURES_UNREADABLE"),
        (np.array([1.0, np.nan]), "INVALID_VECTOR"),
        (np.array([1.0, -np.inf]), "INVALID_VECTOR"),
        (np.array([1.0, 1e300]), "INVALID_VECTOR"),
        (np.zeros((1, 8), np.float32), "INVALID_VECTOR"),
        (np.array([[[1.0, 2.0], [0.0, 0.0]]]), "INVALID_VECTOR"),
        (np.array([1e-300, 0.0]), "INVALID_VECTOR"),
    ],
)
def test_other_arrays_are_refused(tmp_path: Path, array: np.ndarray, reason: str) -> None:
    assert refused(saved(array), tmp_path) == reason


class _Bomb:
    def __reduce__(self) -> tuple[object, ...]:
        return (os.mkdir, ("exploded",))


def test_nothing_is_unpickled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert refused(saved(np.array([_Bomb()], dtype=object)), tmp_path) == "FEATURES_UNREADABLE"
    assert not (tmp_path / "exploded").exists()


def test_pipes_folders_and_giants_are_refused(tmp_path: Path) -> None:
    pipe, giant = tmp_path / "pipe.npy", tmp_path / "giant.npy"
    os.mkfifo(pipe)
    with giant.open("wb") as stream:
        stream.truncate(features_npy.MAX_BYTES + 1)
    for path in (pipe, giant):
        with pytest.raises(InvalidInputError):
            read_features(path)
    with pytest.raises((InvalidInputError, OSError)):
        read_features(tmp_path)


def test_a_file_is_replaced_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.npy"
    replace_file(path, b"old")
    monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(OSError(5, "broken")))
    with pytest.raises(OSError, match="broken"):
        replace_file(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
