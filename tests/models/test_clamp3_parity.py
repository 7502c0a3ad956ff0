"""Our CLAMP3 against the vectors that the reference computed (``shared/golden/clamp3``)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from retrieval.audio import open_audio  # noqa: E402
from retrieval.encoders.audio_pass import forward_tracks, prepare_track  # noqa: E402
from retrieval.encoders.checkpoints import take_tensors  # noqa: E402
from retrieval.encoders.clamp3 import Clamp3Encoder, tokenise  # noqa: E402
from retrieval.encoders.clamp3_files import convert, load_weights  # noqa: E402
from retrieval.encoders.clamp3_modules import Clamp3Modules  # noqa: E402
from tests.models.runtimes import running_on  # noqa: E402

GOLDEN = Path(__file__).parents[3] / "shared" / "golden" / "clamp3"
pytestmark = pytest.mark.skipif(not GOLDEN.is_dir(), reason="no golden data beside the checkout")
AUDIO = ("brahms", "fishin30", "humpback", "robin", "speech", "trumpet")
LENGTHS = (1, 6, 36, 125, 126, 127, 128, 253, 254, 255, 300)
TEXTS = range(11)


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    with np.load(GOLDEN / "golden.npz") as file:
        return dict(file)


@pytest.fixture(scope="module", params=["torch", "onnx"])
def encoder(request: pytest.FixtureRequest) -> Iterator[Clamp3Encoder]:
    with running_on(request.param):
        yield Clamp3Encoder(GOLDEN / "models", device="cpu")


def agrees(got: np.ndarray, expected: np.ndarray) -> bool:
    got, expected = got.reshape(expected.shape), expected.astype(np.float64)
    cosines = (got * expected).sum(-1) / (
        np.linalg.norm(got.astype(np.float64), axis=-1) * np.linalg.norm(expected, axis=-1)
    )
    return bool(np.abs(got - expected).max() <= 2e-5 and cosines.min() >= 0.999999)


def test_no_row_is_forgotten(golden: dict[str, np.ndarray]) -> None:
    named = {f"{kind}/{name}" for kind in ("mert", "audio") for name in AUDIO}
    named |= {f"{kind}/f{n:04d}" for kind in ("feat", "feat_in") for n in LENGTHS}
    named |= {f"{kind}/t{n:03d}" for kind in ("text", "text_ids") for n in TEXTS}
    assert {name for name in golden if not name.startswith("sym/")} == named


@pytest.mark.parametrize("name", AUDIO)
def test_audio_from_file_to_vector(
    name: str, encoder: Clamp3Encoder, golden: dict[str, np.ndarray]
) -> None:
    with open_audio(GOLDEN / "audio" / f"{name}.flac") as reader:
        prepared = prepare_track(reader, [encoder])
    rows = encoder.forward_audio([w.features for w in prepared.windows["clamp3"]])
    assert agrees(rows, golden[f"mert/{name}"][0])
    (track,) = forward_tracks([prepared], [encoder])
    assert agrees(track.vectors["clamp3"], golden[f"audio/{name}"])
    assert track.segments
    if len(rows) <= 6:
        (segment,) = track.segments
        assert np.array_equal(segment.vectors["clamp3"], track.vectors["clamp3"])


@pytest.mark.parametrize("count", LENGTHS)
def test_rows_of_awkward_lengths(
    count: int, encoder: Clamp3Encoder, golden: dict[str, np.ndarray]
) -> None:
    rows = golden[f"feat_in/f{count:04d}"][0]
    assert agrees(encoder.pool(rows, np.full(len(rows), 5.0)), golden[f"feat/f{count:04d}"])
    if count > 1:
        swapped = rows[::-1].copy()
        assert not agrees(encoder.pool(swapped, np.full(count, 5.0)), golden[f"feat/f{count:04d}"])
    # Without the zero rows around, or with the last piece cut off, the vector is another one.
    framed = encoder._ready().audio._encode([rows])
    assert not agrees(framed, golden[f"feat/f{count:04d}"])


@pytest.mark.parametrize("number", TEXTS)
def test_texts(number: int, encoder: Clamp3Encoder, golden: dict[str, np.ndarray]) -> None:
    lines = json.loads((GOLDEN / "golden.json").read_text())["text_lines_in_order"][number]
    text = "\n".join(lines)
    # An empty query is refused, but the tower below must still be the reference's.
    ids = encoder.prepare_text(text) if lines else tokenise(encoder._ready().tokenizer, text)
    assert np.array_equal(ids, golden[f"text_ids/t{number:03d}"])
    (vector,) = encoder.forward_text([ids])
    assert agrees(vector, golden[f"text/t{number:03d}"])
    (other,) = encoder.forward_text([ids[:-1]])
    assert not agrees(other, golden[f"text/t{number:03d}"])


def test_a_padded_last_window_is_another_vector(
    encoder: Clamp3Encoder, golden: dict[str, np.ndarray]
) -> None:
    with open_audio(GOLDEN / "audio" / "speech.flac") as reader:
        windows = [w.features for w in prepare_track(reader, [encoder]).windows["clamp3"]]
    last = windows[-1]
    padded = type(last)(np.pad(last.samples, (0, 120_000 - len(last.samples))), True)
    assert not agrees(encoder.forward_audio([padded]), golden["mert/speech"][0, -1:])


def test_two_swapped_tensors_are_noticed(golden: dict[str, np.ndarray]) -> None:
    weights = load_weights(GOLDEN / "models")
    first, second = (f"audio_model.encoder.layer.{i}.attention.self.query.weight" for i in (0, 1))
    towers = weights.towers
    towers[first], towers[second] = towers[second], towers[first]
    rows = np.pad(golden["feat_in/f0036"][0], ((1, 1), (0, 0)))
    with torch.no_grad():
        got = Clamp3Modules(weights).tracks.module(torch.from_numpy(rows)[None])[0].numpy()
    assert np.abs(got - golden["feat/f0036"]).max() > 1e-4


def test_a_converted_folder_is_the_same_space(
    encoder: Clamp3Encoder, golden: dict[str, np.ndarray], tmp_path: Path
) -> None:
    path = convert(GOLDEN / "models", tmp_path / "converted")
    again = Clamp3Encoder(path.parent, device="cpu")
    assert again.space == encoder.space
    assert agrees(again.pool(golden["feat_in/f0300"][0], np.full(300, 5.0)), golden["feat/f0300"])
    (vector,) = again.forward_text([golden["text_ids/t003"]])
    assert agrees(vector, golden["text/t003"])


def test_half_precision_weights_are_another_space(encoder: Clamp3Encoder, tmp_path: Path) -> None:
    (checkpoint,) = (GOLDEN / "models" / "clamp3").glob("*.pth")
    content = torch.load(checkpoint, weights_only=True)
    halves = {k: v.half() for k, v in content["model"].items()}
    for name in ("MERT-v1-95M", "xlm-roberta-base"):
        (tmp_path / name).symlink_to(GOLDEN / "models" / name)
    torch.save({"model": halves}, tmp_path / checkpoint.name)
    other = Clamp3Encoder(tmp_path, device="cpu")
    assert other.space.revision != encoder.space.revision
    assert take_tensors(halves, checkpoint)["audio_proj.weight"].dtype == torch.float32
