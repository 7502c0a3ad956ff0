"""Series files: what goes in comes out, nothing else does, and hostile ids stay outside."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.core.errors import InvalidInputError, StoreError
from retrieval.core.series import DTYPES, Series
from retrieval.store.series import SeriesFolder

TRACK = "0123456789abcdef0123456789abcdef"
LOUDNESS = Series("loudness", np.array([-20.0, -18.5], np.float32), rate=10.0, unit="LUFS")
CHORDS = Series(
    "chords",
    np.array([0, 7, -1], np.int16),
    times=np.array([0.0, 2.0, 4.0]),
    ends=np.array([2.0, 4.0, 6.5]),
    labels=("C:maj", *"1234567"),
)
BEATS = Series("beats", np.array([1, 2], np.uint8), times=np.array([0.5, 1.0]))


def same(left: Series, right: Series) -> bool:
    def equal(a: object, b: object) -> bool:
        return a is b or (a is not None and b is not None and np.array_equal(a, b))

    return (
        (left.name, left.rate, left.labels, left.unit)
        == (right.name, right.rate, right.labels, right.unit)
        and left.values.dtype == right.values.dtype
        and all(equal(getattr(left, p), getattr(right, p)) for p in ("values", "times", "ends"))
    )


@st.composite
def some_series(draw: st.DrawFn) -> Series:
    count = draw(st.integers(0, 5))
    shape = draw(st.sampled_from([(count,), (count, 1), (count, 3)]))
    values = np.arange(np.prod(shape)).reshape(shape).astype(draw(st.sampled_from(DTYPES)))
    times = np.sort(np.array(draw(st.lists(st.floats(0, 9), min_size=count, max_size=count))))
    labels = tuple(draw(st.lists(st.text(max_size=5), max_size=3)))
    labels = labels if len(shape) == 1 else ()
    if draw(st.booleans()):
        return Series("one", values, rate=draw(st.floats(0.1, 1000)), labels=labels)
    return Series("one", values, times=times, ends=times + 1, labels=labels, unit="Hz")


@given(some_series())
def test_what_goes_in_comes_out(tmp_path_factory: pytest.TempPathFactory, series: Series) -> None:
    folder = SeriesFolder(tmp_path_factory.mktemp("series"))
    folder.write(TRACK, [series])
    (found,) = folder.read(TRACK)
    assert same(found, series)


def test_series_are_replaced_by_name_and_go_with_the_track(tmp_path: Path) -> None:
    folder = SeriesFolder(tmp_path)
    assert folder.read(TRACK) == ()
    folder.write(TRACK, [LOUDNESS, CHORDS])
    folder.write(TRACK, [BEATS], replacing=["chords", "tempo"])
    assert [one.name for one in folder.read(TRACK)] == ["beats", "loudness"]
    assert [one.name for one in folder.read(TRACK, ["loudness", "chords"])] == ["loudness"]
    assert sorted(p.name for p in tmp_path.rglob("*.*")) == [f"{TRACK}.beats.lab", f"{TRACK}.npz"]
    folder.write(f"{TRACK}0", [LOUDNESS])
    folder.delete([TRACK, "unknown"])
    assert [p.name for p in tmp_path.rglob("*.*")] == [f"{TRACK}0.npz"]
    folder.write(f"{TRACK}0", [], replacing=["loudness"])
    assert not list(tmp_path.rglob("*.*"))


def test_ids_that_differ_in_case_are_two_files(tmp_path: Path) -> None:
    folder = SeriesFolder(tmp_path)
    folder.write("song", [LOUDNESS])
    folder.write("Song", [BEATS])
    assert [one.name for one in folder.read("song")] == ["loudness"]
    assert len({str(p).lower() for p in tmp_path.rglob("*.npz")}) == 2


def test_a_copy_has_the_same_series(tmp_path: Path) -> None:
    here, there = SeriesFolder(tmp_path / "here"), SeriesFolder(tmp_path / "there")
    here.copy_to(there)
    here.write(TRACK, [LOUDNESS, BEATS])
    here.copy_to(there)
    here.copy_to(SeriesFolder(tmp_path / "here"))
    assert [one.name for one in there.read(TRACK)] == ["beats", "loudness"]


@pytest.mark.parametrize("hostile", ["../x", "a/b", "", "a.b", "a\0", "é", "x" * 65])
def test_no_other_name_becomes_a_path(tmp_path: Path, hostile: str) -> None:
    folder = SeriesFolder(tmp_path / "series")
    for attempt in (folder.read, lambda i: folder.write(i, [BEATS]), lambda i: folder.delete([i])):
        with pytest.raises(InvalidInputError):
            attempt(hostile)
    assert not list(tmp_path.iterdir())


def test_a_damaged_file_is_named_and_can_be_written_again(tmp_path: Path) -> None:
    folder = SeriesFolder(tmp_path)
    folder.write(TRACK, [LOUDNESS])
    (path,) = tmp_path.rglob("*.npz")
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(StoreError, match=TRACK):
        folder.read(TRACK)
    folder.write(TRACK, [BEATS])
    assert [one.name for one in folder.read(TRACK)] == ["beats"]


def test_label_files_have_spans_moments_and_classes() -> None:
    assert CHORDS.lines() == "0.000\t2.000\tC:maj\n2.000\t4.000\t7\n4.000\t6.500\t-1\n"
    assert BEATS.lines() == "0.500\t1\n1.000\t2\n"
    assert LOUDNESS.lines() == "0.000\t-20\n0.100\t-18.5\n"


@pytest.mark.parametrize(
    "bad",
    [
        {"rate": None},
        {"rate": 10.0, "times": np.zeros(2)},
        {"rate": 0.0},
        {"times": np.zeros(3), "rate": None},
        {"rate": 10.0, "ends": np.zeros(2)},
        {"name": "../x"},
        {"values": np.zeros(2, dtype=object)},
        {"values": np.zeros((2, 2, 2), dtype=np.float32)},
    ],
)
def test_what_is_no_series_is_refused(bad: dict[str, object]) -> None:
    given = {"name": "one", "values": np.zeros(2, dtype=np.float32), "rate": 10.0} | bad
    with pytest.raises(InvalidInputError) as refused:
        Series(**given)  # type: ignore[arg-type]
    assert refused.value.reason == "INVALID_SERIES"
