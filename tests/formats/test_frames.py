"""Arrays of other tools: the layouts, and files that have another."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.formats import frames
from retrieval.core.errors import InvalidInputError


def save(path, array, **options):
    np.save(path, array, **options)
    return path


@pytest.mark.parametrize("tool", frames.LAYOUTS)
@pytest.mark.parametrize("dtype", ["<f4", "<f8", ">f4", "<f2"])
def test_every_layout_reads_back(tmp_path, tool, dtype) -> None:
    layout = frames.LAYOUTS[tool]
    shape = (5,) if layout.width is None else (5, layout.width)
    array = np.random.default_rng(0).uniform(0, 1, shape).astype(dtype)
    found = frames.read(save(tmp_path / "a.npy", array), layout)
    assert found.dtype == np.float32 and np.array_equal(found, array.astype(np.float32))
    path = tmp_path / "b.npy"
    path.write_bytes(frames.to_bytes(found))
    assert np.array_equal(np.load(path), found) and np.load(path).dtype == np.float32


@pytest.mark.parametrize(
    ("tool", "array"),
    [
        ("openl3", np.zeros((4, 6144), np.float32)),
        ("openl3", np.zeros((0, 512), np.float32)),
        ("openl3", np.zeros(512, np.float32)),
        ("openl3", np.zeros((1, 4, 512), np.float32)),
        ("openl3", np.zeros((4, 512), np.int32)),
        ("openl3", np.full((4, 512), np.nan, np.float32)),
        ("mert", np.full((4, 768), 1e300)),
        ("madmom", np.zeros((4, 1), np.float32)),
        ("madmom", np.full(4, 1.5, np.float32)),
        ("crepe", np.asarray([[440.0, 1.1]])),
        ("crepe", np.asarray([[-1.0, 0.5]])),
        ("crepe", np.asarray(3.0)),
    ],
)
def test_other_layouts_are_refused(tmp_path, tool, array) -> None:
    path = save(tmp_path / "bad.npy", array)
    with pytest.raises(InvalidInputError, match=r"bad\.npy"):
        frames.read(path, frames.LAYOUTS[tool])


@given(st.binary(max_size=300), st.integers(0, 160))
@settings(max_examples=60, deadline=None)
def test_no_bytes_break_the_reader(tmp_path_factory, content, keep) -> None:
    buffer = io.BytesIO()
    np.save(buffer, np.zeros((4, 512), np.float32))
    path = tmp_path_factory.getbasetemp() / "hostile.npy"
    path.write_bytes(buffer.getvalue()[:keep] + content)
    with pytest.raises(InvalidInputError, match=r"hostile\.npy"):
        frames.read(path, frames.LAYOUTS["openl3"])


def test_nothing_is_unpickled(tmp_path) -> None:
    path = save(tmp_path / "p.npy", np.asarray([{}], dtype=object), allow_pickle=True)
    with pytest.raises(InvalidInputError, match=r"p\.npy"):
        frames.read(path, frames.LAYOUTS["madmom"])
