"""Datasets of videos: eleven outputs with the right shapes, made once per content."""

from __future__ import annotations

import json
import os
import threading
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import soundfile

from indexer.dataset.build import BuildOptions, build_dataset
from indexer.dataset.graph import State
from indexer.dataset.images import read_jpeg
from indexer.dataset.steps import NAMES
from indexer.formats import emotion, frames, midi, scenes, seconds, vocabulary
from indexer.formats.chords import read_chords
from retrieval.core.errors import InvalidInputError, PreconditionError
from tests.cli.conftest import Segue
from tests.indexer.dataset.videos import song, video, write_clip
from tests.signals import noise
from tests.video.clips import Shot

SHOTS = [Shot(3.4, (200, 80, 40)), Shot(7.6, (20, 80, 140), pan=0.2, seed=3)]
has_models = bool(find_spec("torch") and find_spec("transformers"))
has_notes = bool(find_spec("basic_pitch") and find_spec("onnxruntime") and find_spec("mido"))


class Builds:
    """Repeated builds of one dataset."""

    def __init__(self, folder: Path) -> None:
        self.videos, self.root, self.clip = folder / "videos", folder / "set", folder / "clip"
        self.videos.mkdir()

    def __call__(self, **more):
        options = BuildOptions(**{"clip_weights": self.clip, "device": "cpu"} | more)
        return build_dataset([self.videos], self.root, options)

    def states(self, name: str, **more) -> dict[str, str]:
        report = self(**more)
        (item,) = [item for item in report.items if item.name == name]
        return {step: done.state.value for step, done in item.done.items()}

    def put(self, name: str, data: bytes) -> Path:
        path = self.videos / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
        return path


@pytest.fixture
def builds(tmp_path) -> Builds:
    return Builds(tmp_path)


@pytest.fixture(scope="session")
def clip_video() -> bytes:
    return video(SHOTS, song(11.0))


@pytest.fixture(scope="session")
def short_video() -> bytes:
    return video([Shot(1.2, seed=5)], noise(1.2))


@pytest.mark.skipif(not has_models, reason="needs the models extra")
def test_all_outputs_have_their_shapes(builds, clip_video) -> None:
    builds.put("a.mp4", clip_video)
    write_clip(builds.clip)
    given = builds.root.parent / "given"
    if not has_notes:
        (given / "midi").mkdir(parents=True)
        notes = [midi.Note(0.5, 1.0, 60), midi.Note(0.6, 1.0, 64), midi.Note(6.5, 7.0, 64)]
        if not find_spec("mido"):
            pytest.skip("needs mido")
        (given / "midi" / "a.mid").write_bytes(midi.to_bytes(notes, 11.0))
    states = builds.states("a", given=given)
    assert states == dict.fromkeys(NAMES, "ok")
    root, length = builds.root, 11
    pictures = sorted((root / "frames" / "a").iterdir())
    assert [path.name for path in pictures] == [f"{t:03d}.jpg" for t in range(length)]
    assert read_jpeg(pictures[0]).shape == (180, 320, 3)
    # The colours of the two shots.
    means = [read_jpeg(path).reshape(-1, 3).mean(axis=0) for path in pictures]
    assert means[3] == pytest.approx((200, 80, 40), abs=15)
    assert means[4] == pytest.approx((20, 80, 140), abs=15)
    motion = seconds.read(root / "motion" / "a.lab", seconds.MOTION)
    assert motion.shape == (length, 1)
    assert motion[:3].max() < 3 < motion[4:].min()
    ids, offsets = scenes.read(root / "scene" / "a.lab")
    assert ids.tolist() == [0] * 4 + [1] * 7
    assert offsets == pytest.approx([0, 1, 2, 3, *np.arange(0.6, 7.0)], abs=0.05)
    sound, rate = soundfile.read(root / "audio" / "a.wav", dtype="float32")
    assert rate == 44_100 and len(sound) / rate == pytest.approx(11.0, abs=0.1)
    loudness = seconds.read(root / "loudness" / "a.lab", seconds.LOUDNESS)
    wanted = [np.sqrt(np.square(sound[t * rate : (t + 1) * rate]).mean()) for t in range(length)]
    assert loudness[:, 0] == pytest.approx(wanted, abs=1e-6)
    chords = read_chords(root / "chord" / "a.lab").by_second()
    assert [chords[t] for t in (1, 3, 5)] == ["C", "A", "F"]
    assert seconds.read(root / "note_density" / "a.lab", seconds.NOTE_DENSITY).shape == (11, 1)
    moods = emotion.read(root / "emotion" / "a.lab")
    assert moods.shape == (length, 6) and moods.sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert np.load(root / "semantic" / "a.npy").shape == (length, 24)

    with np.load(root / "meta" / "a.npz") as packed:
        shapes = {name: packed[name].shape for name in packed.files}
        ids = vocabulary.read(root / "chord.json")
        assert packed["chord"][:11].tolist() == [ids[name] for name in chords[:11]]
        assert packed["chord"].dtype == np.int32 and packed["semantic"].dtype == np.float32
        assert int(packed["length"]) == length
        assert not packed["semantic"][length:].any() and packed["loudness"][length - 1] > 0
    assert shapes == {
        **dict.fromkeys(("motion", "loudness", "note_density"), (300, 1)),
        **dict.fromkeys(("chord", "scene", "scene_offset"), (300,)),
        **{"semantic": (300, 24), "emotion": (300, 6), "length": ()},
    }
    assert len(ids) == 157
    assert builds.states("a", given=given) == dict.fromkeys(NAMES, "cached")
    # Other weights: what follows from them, and nothing else.
    write_clip(builds.clip, seed=1)
    again = builds.states("a", given=given)
    assert {step for step, state in again.items() if state == "ok"} == {
        *("semantic", "emotion", "meta")
    }


def test_what_lacks_weights_is_blocked_and_says_why(builds, clip_video) -> None:
    builds.put("a.mp4", clip_video)
    report = builds(skip=frozenset({"motion", "scene"}))
    done = report.items[0].done
    for step in ("semantic", "emotion"):
        assert done[step].state is State.BLOCKED and done[step].reason == "MODEL_MISSING"
        assert str(builds.clip) in done[step].message
    if not has_notes:
        assert done["midi"].state is State.BLOCKED and done["midi"].reason == "MODEL_MISSING"
        assert done["note_density"].message == "needs midi, which is blocked"
    assert done["meta"].state is State.OK
    with np.load(builds.root / "meta" / "a.npz") as packed:
        assert "semantic" not in packed.files and "chord" in packed.files
    assert report.clean


def test_content_decides_and_not_the_path(builds, clip_video, short_video) -> None:
    skip = frozenset(NAMES) - {"audio", "loudness"}
    path = builds.put("a.mp4", clip_video)
    assert builds.states("a", skip=skip)["loudness"] == "ok"
    assert builds.states("a", skip=skip)["loudness"] == "cached"
    before = (builds.root / "loudness" / "a.lab").read_text()
    times = path.stat()
    path.write_bytes(short_video)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert builds.states("a", skip=skip)["loudness"] == "ok"
    assert (builds.root / "loudness" / "a.lab").read_text() != before
    # A rename takes everything with it.
    (builds.videos / "sub").mkdir()
    path.rename(builds.videos / "sub" / "b.mp4")
    assert builds.states("sub/b", skip=skip)["loudness"] == "cached"
    assert (builds.root / "loudness" / "sub" / "b.lab").is_file()
    assert not (builds.root / "loudness" / "a.lab").exists()
    # What somebody changed is no output of ours.
    (builds.root / "audio" / "sub" / "b.wav").write_bytes(b"x")
    assert builds.states("sub/b", skip=skip)["audio"] == "ok"


def test_skipping_hides_no_gap(builds, short_video) -> None:
    builds.put("a.mp4", short_video)
    rest = frozenset(NAMES) - {"audio", "loudness"}
    states = builds.states("a", skip=rest | {"audio"})
    assert states["audio"] == "skipped" and states["loudness"] == "blocked"
    assert builds.states("a", skip=rest)["loudness"] == "ok"
    # What was made before can be used, and still is not made again.
    states = builds.states("a", skip=rest | {"audio"})
    assert states["audio"] == "skipped" and states["loudness"] == "cached"
    with pytest.raises(InvalidInputError, match="no step 'sound'"):
        builds(skip=frozenset({"sound"}))


def test_one_bad_video_or_step_never_stops_the_rest(builds, short_video) -> None:
    builds.put("a.mp4", b"garbage" * 99)
    builds.put("b.mp4", video([Shot(1.2, seed=7)]))
    builds.put("c.mp4", short_video)
    builds.put("d.mp4", short_video)
    skip = frozenset(NAMES) - {"frames", "motion", "audio", "chord"}
    report = builds(skip=skip)
    states = {item.name: {n: d.state.value for n, d in item.done.items()} for item in report.items}
    assert states["a"]["frames"] == states["a"]["audio"] == "failed"
    assert (states["b"]["frames"], states["b"]["audio"], states["b"]["chord"]) == (
        *("ok", "failed", "blocked"),
    )
    # Noise has no chords.
    assert (states["c"]["audio"], states["c"]["chord"]) == ("ok", "failed")
    assert report.items[2].done["chord"].reason == "CHORDS_MISSING"
    assert [Path(path).name for path in report.duplicates] == ["d.mp4"]
    assert not report.clean
    summary = json.loads((builds.root / "dataset.json").read_text())
    assert [item["name"] for item in summary["items"]] == ["a", "b", "c"]
    assert summary["items"][1]["files"] == {"frames": "frames/b", "motion": "motion/b.lab"}


def test_outputs_made_elsewhere_take_the_place_of_steps(builds, short_video) -> None:
    builds.put("a.mp4", short_video)
    given = builds.root.parent / "given"
    for step in ("chord", "semantic", "emotion"):
        (given / step).mkdir(parents=True)
    (given / "chord" / "a.csv").write_text("chord,START,end\nAm,0,1\nN,1,2\n")
    np.save(given / "semantic" / "a.npy", np.ones((2, 768)))
    (given / "emotion" / "a.lab").write_text("time a b c\n")
    report = builds(given=given)
    done = report.items[0].done
    assert done["chord"].state is State.OK and done["semantic"].state is State.OK
    assert read_chords(builds.root / "chord" / "a.lab").by_second() == ["A:min", "N"]
    assert frames.read(builds.root / "semantic" / "a.npy", frames.LAYOUTS["clip"]).shape == (2, 768)
    assert done["emotion"].state is State.FAILED and "line 1" in done["emotion"].message
    assert builds.states("a", given=given)["chord"] == "cached"
    (given / "chord" / "a.csv").write_text("chord,START,end\nN,0,2\n")
    again = builds(given=given).items[0].done["chord"]
    assert again.state is State.FAILED and "missing" in again.message


def test_splits_stay_and_new_videos_train(builds) -> None:
    skip = frozenset(NAMES) - {"motion"}
    for number in range(10):
        builds.put(f"{number}.mp4", b"no video %d" % number)
    report = builds(skip=skip)
    assert dict(report.splits) == {"train": 8, "val": 1, "test": 1}
    first = json.loads((builds.root / "splits.json").read_text())
    for number in range(10, 30):
        builds.put(f"{number}.mp4", b"no video %d" % number)
    (builds.videos / "0.mp4").rename(builds.videos / "renamed.mp4")
    builds(skip=skip)
    second = json.loads((builds.root / "splits.json").read_text())
    assert second.items() >= first.items()
    assert {second[digest] for digest in second.keys() - first.keys()} == {"train"}
    assert dict(builds(skip=skip, resplit=True).splits) == {"train": 24, "val": 3, "test": 3}


def test_the_vocabulary_only_grows(builds, clip_video) -> None:
    builds.put("a.mp4", clip_video)
    builds.root.mkdir()
    (builds.root / ".segue").mkdir()
    (builds.root / "chord.json").write_text(json.dumps({"N": 0, "C": 7, "A:maj": 3}))
    builds(skip=frozenset(NAMES) - {"audio", "chord", "meta"})
    ids = vocabulary.read(builds.root / "chord.json")
    assert {"N": 0, "C": 7, "A:maj": 3}.items() <= ids.items()
    assert ids["F"] > 7
    with np.load(builds.root / "meta" / "a.npz") as packed:
        assert [packed["chord"][t] for t in (1, 3, 5)] == [7, 3, ids["F"]]


def test_a_stopped_build_goes_on(builds, short_video) -> None:
    builds.put("a.mp4", short_video)
    builds.put("b.mp4", video([Shot(1.0, seed=9)], noise(1.0, seed=2)))
    stop = threading.Event()
    options = BuildOptions(builds.clip, skip=frozenset(NAMES) - {"audio", "loudness"})
    counts = []

    def progress(done: int, total: int) -> None:
        counts.append((done, total))
        if done == 7:
            stop.set()

    report = build_dataset([builds.videos], builds.root, options, progress=progress, stop=stop)
    assert report.interrupted and counts[-1] == (7, 22)
    assert not json.loads((builds.root / "splits.json").read_text())
    report = builds(skip=options.skip)
    assert not report.interrupted and report.items[0].done["audio"].state is State.CACHED
    assert report.items[1].done["loudness"].state is State.OK
    assert sum(report.splits.values()) == 2


def test_a_folder_of_something_else_is_left_alone(builds, short_video) -> None:
    builds.put("a.mp4", short_video)
    builds.root.mkdir()
    (builds.root / "thesis.txt").write_text("mine")
    with pytest.raises(PreconditionError, match="no dataset of Segue"):
        builds()
    with pytest.raises(InvalidInputError, match="nothing at this path"):
        build_dataset([builds.root / "x"], builds.root, BuildOptions(builds.clip))


def test_the_command(builds, short_video) -> None:
    builds.put("a.mp4", short_video)
    segue = Segue("--data", builds.root.parent / "data")
    skip = [part for step in NAMES[:5] + NAMES[7:] for part in ("--skip", step)]
    arguments = ("dataset", "build", builds.videos, "--output", builds.root, *skip)
    answer = segue.json(*arguments)
    assert answer["items"][0]["steps"]["loudness"]["state"] == "ok"
    assert answer["steps"]["frames"] == {
        **{"ok": 0, "cached": 0, "skipped": 1, "failed": 0, "blocked": 0},
    }
    table = segue(*arguments)
    assert table.code == 0 and table.rows[5][:3] == ["audio", "0", "1"]
    builds.put("b.mp4", b"no")
    failed = segue(*arguments)
    assert failed.code == 3 and "b.mp4: audio:" in failed.err
    assert segue("dataset", "build", "--output", builds.root).code == 2
