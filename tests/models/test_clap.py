"""CLAP with tiny random weights in the true file formats."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from retrieval.audio import Sound  # noqa: E402
from retrieval.core.errors import InvalidInputError, PreconditionError  # noqa: E402
from retrieval.encoders.audio_pass import forward_tracks, prepare_track  # noqa: E402
from retrieval.encoders.clap import ClapEncoder  # noqa: E402
from retrieval.encoders.clap_files import convert  # noqa: E402
from retrieval.encoders.clap_mel import MelFrontEnd, mel_filters  # noqa: E402
from retrieval.encoders.clap_windows import fill, to_int16  # noqa: E402
from retrieval.encoders.protocol import (  # noqa: E402
    AudioEncoder,
    TextEncoder,
    WholeTrackEncoder,
)
from tests.models.runtimes import running_on  # noqa: E402
from tests.models.tiny import write_tokenizer  # noqa: E402
from tests.models.tiny_clap import laion_state, tiny_clap, write_hub, write_laion  # noqa: E402

RATE = 48_000
TEXTS = ("fast piano", "slow metal guitars drums", "bird", "a man speech")


@pytest.fixture(scope="module", params=["unfused", "fused"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp(request.param)
    write_hub(folder, fused=request.param == "fused")
    return folder


@pytest.fixture(scope="module", params=["torch", "onnx"])
def encoder(folder: Path, request: pytest.FixtureRequest) -> Iterator[ClapEncoder]:
    with running_on(request.param):
        yield ClapEncoder(folder, device="cpu")


@pytest.fixture
def hub(tmp_path: Path) -> Path:
    write_hub(tmp_path / "hub")
    return tmp_path / "hub"


def is_fused(folder: Path) -> bool:
    return bool(json.loads((folder / "config.json").read_text())["audio_config"]["enable_fusion"])


def window(seconds: float = 10.0, *, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    t = np.arange(round(seconds * RATE)) / RATE
    tones = sum(np.sin(2 * np.pi * f * t) for f in rng.uniform(60, 8_000, 5))
    return (0.1 * tones + rng.normal(0, 0.02, len(t))).astype(np.float32)


def extractor(*, fused: bool) -> object:
    # The settings of the published models, not the class's own.
    return transformers.ClapFeatureExtractor(
        frequency_min=50, truncation="fusion" if fused else "rand_trunc"
    )


def test_it_is_what_the_pipeline_expects(encoder: ClapEncoder) -> None:
    assert isinstance(encoder, AudioEncoder)
    assert isinstance(encoder, TextEncoder)
    assert not isinstance(encoder, WholeTrackEncoder)
    assert (encoder.space.name, encoder.space.dim) == ("clap", 48)


@pytest.mark.parametrize("seconds", [10.0, 6.0, 4.9, 0.3])
@pytest.mark.parametrize("fused", [False, True])
def test_mel_is_that_of_the_originals(seconds: float, fused: bool) -> None:
    ints = to_int16(window(seconds))
    whole = torch.from_numpy(fill(ints)[None])
    got = MelFrontEnd(torch.device("cpu"), fused=fused)(whole)[0, 0].numpy()
    assert got.shape == (1001, 64)
    wave = (ints / 32767.0).astype(np.float32)
    features = extractor(fused=fused)(wave, sampling_rate=RATE, return_tensors="np")
    expected = features["input_features"][0, 0]
    # In decibels; where there is next to no power, single precision has no more digits.
    assert np.abs(got - expected).max() < 2e-2
    assert np.abs(got - expected).mean() < 1e-4
    other = MelFrontEnd(torch.device("cpu"), fused=not fused)(whole)[0, 0].numpy()
    assert np.abs(other - expected).mean() > 1


@pytest.mark.parametrize("fused", [False, True])
def test_mel_filters_are_the_published_ones(fused: bool) -> None:
    made = extractor(fused=fused)
    expected = made.mel_filters if fused else made.mel_filters_slaney
    assert np.abs(mel_filters(htk=fused).T - expected).max() < 1e-12


def test_vectors_are_those_of_transformers(folder: Path, encoder: ClapEncoder) -> None:
    model = transformers.ClapModel.from_pretrained(folder).eval()
    windows = [window(seconds, seed=i) for i, seconds in enumerate((10.0, 3.3))]
    prepared = [encoder.prepare_audio(w) for w in windows]
    got = encoder.forward_audio(prepared)
    waves = [(p / 32767.0).astype(np.float32) for p in prepared]
    features = extractor(fused=is_fused(folder))(waves, sampling_rate=RATE, return_tensors="pt")
    longer = torch.zeros((2, 1), dtype=torch.bool)
    with torch.inference_mode():
        inputs = features["input_features"].float()
        expected = model.get_audio_features(inputs, is_longer=longer).pooler_output.numpy()
    assert np.abs(got - expected).max() < 1e-5
    assert np.abs(got[0] - got[1]).max() > 1e-2
    tokens = [encoder.prepare_text(text) for text in TEXTS]
    longest = max(len(ids) for ids in tokens)
    padded = torch.tensor([[*ids, *[1] * (longest - len(ids))] for ids in tokens])
    with torch.inference_mode():
        expected = model.get_text_features(padded, attention_mask=padded != 1).pooler_output
    assert np.abs(np.stack(encoder.forward_text(tokens)) - expected.numpy()).max() < 1e-6


def test_laions_file_gives_the_same_space(
    folder: Path, encoder: ClapEncoder, tmp_path: Path
) -> None:
    model = transformers.ClapModel.from_pretrained(folder)
    write_laion(tmp_path / "tiny.pt", model)
    shutil.copy(folder / "tokenizer.json", tmp_path)
    ours = ClapEncoder(tmp_path / "tiny.pt", device="cpu")
    assert ours.space == encoder.space
    prepared = [ours.prepare_audio(window())]
    heard = encoder.forward_audio(prepared)
    # Not bit by bit: where in memory a file puts a tensor decides which kernels are used.
    assert np.abs(ours.forward_audio(prepared) - heard).max() < 1e-6
    tokens = [ours.prepare_text(text) for text in TEXTS]
    read = np.stack(encoder.forward_text(tokens))
    assert np.abs(np.stack(ours.forward_text(tokens)) - read).max() < 1e-6

    convert(tmp_path, tmp_path / "converted")
    converted = ClapEncoder(tmp_path / "converted", device="cpu")
    assert converted.space == encoder.space
    assert np.abs(converted.forward_audio(prepared) - heard).max() < 1e-6


@pytest.mark.parametrize("tower", ["text", "audio"])
def test_one_swapped_tensor_is_noticed(tower: str, folder: Path, tmp_path: Path) -> None:
    model = transformers.ClapModel.from_pretrained(folder)
    state = laion_state(model)
    blocks = {
        "text": [
            f"module.text_branch.encoder.layer.{i}.attention.self.query.weight" for i in (0, 1)
        ],
        "audio": [f"module.audio_branch.layers.0.blocks.{i}.attn.qkv.weight" for i in (0, 1)],
    }
    first, second = blocks[tower]
    state[first], state[second] = state[second], state[first]
    torch.save({"state_dict": state}, tmp_path / "swapped.pt")
    shutil.copy(folder / "tokenizer.json", tmp_path)
    right, wrong = ClapEncoder(folder, device="cpu"), ClapEncoder(tmp_path, device="cpu")
    assert right.space.revision != wrong.space.revision
    if tower == "text":
        tokens = [right.prepare_text(TEXTS[1])]
        moved = np.abs(right.forward_text(tokens)[0] - wrong.forward_text(tokens)[0]).max()
    else:
        prepared = [right.prepare_audio(window())]
        moved = np.abs(right.forward_audio(prepared) - wrong.forward_audio(prepared)).max()
    assert moved > 1e-4


def test_sixteen_bits_and_full_scale() -> None:
    given = np.array([-2.0, -1.0, -0.99999, 0.0, 1e-5, 4e-5, 0.5, 1.0, 3.0], np.float32)
    assert to_int16(given).tolist() == [-32767, -32767, -32766, 0, 0, 1, 16383, 32767, 32767]


@pytest.mark.parametrize(
    ("seconds", "spans"),
    [
        (7.0, [(0, 7)]),
        (10.0, [(0, 10)]),
        (10.5, [(0, 10)]),
        (25.5, [(0, 10), (10, 20), (15.5, 25.5)]),
    ],
)
def test_windows_and_the_aligned_last_one(
    seconds: float, spans: list[tuple[float, float]], encoder: ClapEncoder
) -> None:
    samples = window(seconds)
    prepared = prepare_track(Sound(samples[:, None], RATE, "wav"), [encoder])
    windows = prepared.windows["clap"]
    assert [(w.span.start, w.span.end) for w in windows] == spans
    for one in windows:
        start, end = round(one.span.start * RATE), round(one.span.end * RATE)
        assert np.array_equal(one.features, to_int16(samples[start:end]))


def test_neighbours_and_batches_never_show(encoder: ClapEncoder) -> None:
    tracks = [
        Sound(window(s, seed=i)[:, None], RATE, "wav") for i, s in enumerate((31.0, 2.0, 12.0))
    ]
    prepared = [prepare_track(track, [encoder]) for track in tracks]
    together = forward_tracks(prepared, [encoder])
    for alone, expected in zip(prepared, together, strict=True):
        (one,) = forward_tracks([alone], [encoder])
        assert np.abs(one.vectors["clap"] - expected.vectors["clap"]).max() <= 1e-6
        assert np.linalg.norm(one.vectors["clap"]) == pytest.approx(1, abs=1e-5)
    features = [w.features for track in prepared for w in track.windows["clap"]]
    rows = encoder.forward_audio(features)
    tokens = [encoder.prepare_text(text) for text in (*TEXTS, *TEXTS)]
    vectors = np.stack(encoder.forward_text(tokens))
    for size in (1, 3, 16):
        steps = range(0, len(features), size)
        parts = [encoder.forward_audio(features[i : i + size]) for i in steps]
        assert np.abs(np.concatenate(parts) - rows).max() <= 1e-6
        steps = range(0, len(tokens), size)
        texts = [v for i in steps for v in encoder.forward_text(tokens[i : i + size])]
        assert np.abs(np.stack(texts) - vectors).max() <= 1e-6


def test_pooling_is_the_mean_direction(encoder: ClapEncoder) -> None:
    rows = np.eye(48, dtype=np.float32)[:2]
    expected = rows.sum(0) / np.sqrt(2)
    assert np.allclose(encoder.pool(rows, np.array([10.0, 10.0])), expected)
    assert np.allclose(encoder.pool(np.stack([rows[0], -rows[0]]), np.ones(2)), rows[0])


def test_long_texts_are_cut_and_empty_ones_refused(encoder: ClapEncoder) -> None:
    ids = encoder.prepare_text("piano " * 200)
    assert (len(ids), ids[0], ids[-1]) == (77, 0, 2)
    with pytest.raises(InvalidInputError):
        encoder.prepare_text(" ")


def test_a_pickled_copy_is_light(encoder: ClapEncoder) -> None:
    data = pickle.dumps(encoder)
    assert len(data) < 4_000
    again = pickle.loads(data)  # noqa: S301 - our own
    prepared = [again.prepare_audio(window())]
    assert again._model is None
    assert np.abs(again.forward_audio(prepared) - encoder.forward_audio(prepared)).max() < 1e-6


def change_state(change: Callable[[dict[str, torch.Tensor]], object]) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        state = laion_state(transformers.ClapModel.from_pretrained(folder))
        (folder / "config.json").unlink()
        change(state)
        torch.save({"state_dict": state}, folder / "laion.pt")

    return apply


class Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (print, ("boom",))


def plant(folder: Path) -> None:
    (folder / "config.json").unlink()
    torch.save({"state_dict": {"x": Bomb()}}, folder / "laion.pt")


def set_config(**values: object) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        path = folder / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | values))

    return apply


def halve(name: str) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        data = (folder / name).read_bytes()
        (folder / name).write_bytes(data[: len(data) // 2])

    return apply


WRONG = {
    "nothing there": (shutil.rmtree, "MODEL_MISSING", "no such folder"),
    "an empty folder": (
        lambda f: (shutil.rmtree(f), f.mkdir()),
        "MODEL_MISSING",
        "0 checkpoints",
    ),
    "no weights": (lambda f: (f / "model.safetensors").unlink(), "MODEL_MISSING", "pytorch_model"),
    "truncated": (halve("model.safetensors"), "MODEL_INVALID", "truncated"),
    "no tokenizer": (lambda f: (f / "tokenizer.json").unlink(), "MODEL_MISSING", "tokenizer.json"),
    "an empty tokenizer": (
        lambda f: write_tokenizer(f / "tokenizer.json", size=60),
        "MODEL_INVALID",
        "it has 60 tokens",
    ),
    "another model": (set_config(model_type="bert"), "MODEL_INVALID", "model_type is 'bert'"),
    "a bad configuration": (set_config(projection_dim="x"), "MODEL_INVALID", "configuration"),
    "other sizes": (set_config(projection_dim=40), "MODEL_INVALID", "of another shape"),
    "a broken configuration": (
        lambda f: (f / "config.json").write_text("{"),
        "MODEL_INVALID",
        "not a JSON file",
    ),
    "a pickle that runs code": (plant, "MODEL_INVALID", "run code"),
    "an unexplained tensor": (
        change_state(lambda s: s.update({"module.audio_branch.new.weight": torch.ones(1)})),
        "MODEL_INVALID",
        "audio_encoder.new.weight",
    ),
    "a tensor too few": (
        change_state(lambda s: s.pop("module.audio_branch.norm.bias")),
        "MODEL_INVALID",
        "1 tensors are missing",
    ),
    "no tower at all": (
        change_state(lambda s: [s.pop(k) for k in list(s) if "text_branch" in k]),
        "MODEL_INVALID",
        "not a CLAP checkpoint",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_named(case: str, hub: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change, reason, words = WRONG[case]
    change(hub)
    with pytest.raises(PreconditionError) as caught:
        ClapEncoder(hub, device="cpu")
    assert (caught.value.reason, words in caught.value.message) == (reason, True), caught.value
    assert "boom" not in capsys.readouterr().out


def test_a_repository_that_is_not_here_is_not_downloaded() -> None:
    with pytest.raises(PreconditionError, match="hf download nobody/has-this") as caught:
        ClapEncoder("nobody/has-this", device="cpu")
    assert caught.value.reason == "MODEL_MISSING"


def test_a_digest_is_compared(hub: Path) -> None:
    with pytest.raises(PreconditionError, match="its SHA-256 is"):
        ClapEncoder(hub, device="cpu", sha256="0" * 64)


def test_a_collapsed_text_tower_is_noticed(tmp_path: Path) -> None:
    size = write_tokenizer(tmp_path / "tokenizer.json", size=50_265)
    model = tiny_clap(size)
    # Else <s>, which is pooled, hears too little of the words beside it.
    for layer in model.text_model.encoder.layer:
        layer.attention.self.value.weight.data *= 100
    model.save_pretrained(tmp_path)
    ClapEncoder(tmp_path, device="cpu")
    # As in laion/larger_clap_music: what is left of the text is next to nothing.
    model.text_projection.linear2.weight.data *= 1e-3
    model.save_pretrained(tmp_path)
    with pytest.raises(PreconditionError, match="collapsed") as caught:
        ClapEncoder(tmp_path, device="cpu")
    assert caught.value.reason == "MODEL_INVALID"
