"""An image model on the frames of clips, in training as in asking."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("transformers")

from indexer.learning.clip_reader import STORE, ClipReader
from retrieval.core.budget import Budget
from retrieval.core.errors import CancelledError, PreconditionError
from retrieval.search.pictures import load_pictures
from retrieval.settings import Settings
from retrieval.video.clips import ClipDecoder
from retrieval.video.features import FEATURE_SET
from retrieval.video.frame_model import BATCH, WEIGHTS, FrameModel
from retrieval.video.looking import load_frame_model
from tests.indexer.dataset.videos import write_clip
from tests.video.clips import Shot, clip

WIDTH = 24


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("clip"))


@pytest.fixture(scope="module")
def decoder() -> Iterator[ClipDecoder]:
    with ClipDecoder() as one:
        yield one


@pytest.fixture(scope="module")
def film() -> bytes:
    shots = (Shot(5.0, colour=(200, 40, 40)), Shot(4.5, colour=(30, 30, 220), seed=3))
    return clip(shots, size=(160, 90))


def test_a_vector_per_second(folder: Path, decoder: ClipDecoder, film: bytes) -> None:
    model = FrameModel(folder, "cpu")
    seen = model.look(film, decoder)
    assert seen.values.shape == (10, WIDTH)
    assert len(seen.values) > BATCH
    assert seen.revision == model.revision
    # The first five are of one shot, the others of another.
    unit = seen.values / np.linalg.norm(seen.values, axis=1, keepdims=True)
    alike = unit @ unit.T
    assert alike[0, 1] > alike[0, 6]
    assert alike[6, 7] > alike[4, 5]


def test_a_second_without_a_frame_shows_the_last_one(folder: Path, decoder: ClipDecoder) -> None:
    film = clip((Shot(4.0),), times=[0.0, 0.5, 1.0, 1.5, 3.5, 3.9])
    seen = FrameModel(folder, "cpu").look(film, decoder)
    assert len(seen.values) == 4
    assert (seen.values[2] == seen.values[1]).all()


def test_looking_can_be_ended(folder: Path, decoder: ClipDecoder, film: bytes) -> None:
    def check() -> None:
        raise CancelledError("enough")

    with pytest.raises(CancelledError):
        FrameModel(folder, "cpu").look(film, decoder, check=check)


def test_what_is_no_model_is_named(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(PreconditionError, match="SEGUE_VIDEO_FRAMES") as caught:
        FrameModel(tmp_path, "cpu").revision  # noqa: B018 - it raises
    assert caught.value.reason == "MODEL_MISSING"
    for name in ("config.json", WEIGHTS):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    (tmp_path / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes()[:-20])
    with pytest.raises(PreconditionError, match="no CLIP") as caught:
        FrameModel(tmp_path, "cpu").network()
    assert caught.value.reason == "MODEL_INVALID"


def test_other_weights_are_another_revision(folder: Path, tmp_path: Path) -> None:
    write_clip(tmp_path, seed=1)
    assert FrameModel(folder, "cpu").revision != FrameModel(tmp_path, "cpu").revision


def test_training_and_asking_see_the_same(folder: Path, tmp_path: Path) -> None:
    film = clip((Shot(2.2, pan=0.2),), size=(160, 90))
    settings = Settings(video_frames=folder, device="cpu", data_dir=tmp_path)
    path = tmp_path / "film.mp4"
    path.write_bytes(film)
    with ClipReader(tmp_path / "pairs.csv", frames=load_frame_model(settings)) as reader:
        trained = reader.read(path, "film.mp4")
    pictures = load_pictures(settings)
    try:
        asked = pictures.look(film, "clip", Budget())
    finally:
        pictures.close()
    assert asked.frames is not None
    assert trained.frames is not None
    assert trained.frames.revision == asked.frames.revision
    assert trained.frames.values == pytest.approx(asked.frames.values, abs=1e-5)
    assert asked.feature_set == FEATURE_SET
    with ClipReader(tmp_path / "pairs.csv") as reader:
        assert reader.read(path, "film.mp4").frames is None
    assert len(list((tmp_path / f"pairs.csv{STORE}").iterdir())) == 2
    assert json.loads((folder / "config.json").read_text())["projection_dim"] == WIDTH
