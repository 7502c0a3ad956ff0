"""CLAMP3 with tiny random weights in the true file formats: no download, no golden data."""

from __future__ import annotations

import json
import pickle
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from retrieval.audio import Sound  # noqa: E402
from retrieval.core.errors import InvalidInputError, PreconditionError  # noqa: E402
from retrieval.encoders.audio_pass import forward_tracks, prepare_track  # noqa: E402
from retrieval.encoders.clamp3 import Clamp3Encoder  # noqa: E402
from retrieval.encoders.clamp3_files import convert  # noqa: E402
from retrieval.encoders.clamp3_intake import Clamp3Intake, segment_ranges  # noqa: E402
from retrieval.encoders.clamp3_sizes import parse_name  # noqa: E402
from retrieval.encoders.protocol import (  # noqa: E402
    AudioEncoder,
    PreparedWindow,
    TextEncoder,
    WholeTrackEncoder,
)
from tests.models.tiny import CLAMP3_NAME, write_clamp3  # noqa: E402


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("weights")
    write_clamp3(folder)
    return folder


@pytest.fixture(scope="module")
def encoder(weights: Path) -> Clamp3Encoder:
    return Clamp3Encoder(weights, device="cpu")


@pytest.fixture
def copy(weights: Path, tmp_path: Path) -> Path:
    shutil.copytree(weights, tmp_path / "copy")
    return tmp_path / "copy"


def sound(seconds: float, *, seed: int = 0, rate: int = 24_000) -> Sound:
    rng = np.random.default_rng(seed)
    samples = rng.normal(0, 0.1, (round(seconds * rate), 1)).astype(np.float32)
    return Sound(samples, rate, "wav")


def test_it_is_what_the_pipeline_expects(encoder: Clamp3Encoder) -> None:
    for protocol in (AudioEncoder, WholeTrackEncoder, TextEncoder):
        assert isinstance(encoder, protocol)
    assert (encoder.space.name, encoder.space.dim) == ("clamp3", 64)
    assert encoder.space.revision.startswith("clamp3-")


@pytest.mark.parametrize(
    ("count", "ranges"),
    [
        (1, [(0, 1)]),
        (6, [(0, 6)]),
        (7, [(0, 6), (1, 7)]),
        (9, [(0, 6), (3, 9)]),
        (14, [(0, 6), (3, 9), (6, 12), (8, 14)]),
    ],
)
def test_segments_cover_the_track(count: int, ranges: list[tuple[int, int]]) -> None:
    assert segment_ranges(count) == ranges


def test_segments_of_a_track_with_a_silent_half(encoder: Clamp3Encoder) -> None:
    heard = sound(32.5).samples
    track = Sound(np.concatenate([heard, np.zeros((24_000 * 45, 1), np.float32)]), 24_000, "wav")
    (found,) = forward_tracks([prepare_track(track, [encoder])], [encoder])
    spans = [(s.span.start, s.span.end) for s in found.segments]
    # 16 windows; the runs from the 8th window (35 s) on hear nothing.
    assert spans == [(0, 30), (15, 45), (30, 60)]
    alone = encoder.assemble(
        encoder.forward_audio(
            [w.features for w in prepare_track(track, [encoder]).windows["clamp3"]][:6]
        ),
        prepare_track(track, [encoder]).windows["clamp3"][:6],
    )
    assert np.allclose(alone.vector, found.segments[0].vectors["clamp3"], atol=1e-6)


def test_blocks_neighbours_and_batches_never_show(encoder: Clamp3Encoder) -> None:
    tracks = [
        sound(seconds, seed=i, rate=44_100) for i, seconds in enumerate((12.3, 31.0, 0.7, 5.2))
    ]
    prepared = [prepare_track(track, [encoder]) for track in tracks]
    together = forward_tracks(prepared, [encoder])
    for alone, expected in zip(prepared, together, strict=True):
        (one,) = forward_tracks([alone], [encoder])
        assert np.abs(one.vectors["clamp3"] - expected.vectors["clamp3"]).max() <= 1e-6
    windows = [w.features for track in prepared for w in track.windows["clamp3"]]
    rows = encoder.forward_audio(windows)
    for size in (1, 3, 16):
        parts = [encoder.forward_audio(windows[i : i + size]) for i in range(0, len(windows), size)]
        assert np.abs(np.concatenate(parts) - rows).max() <= 1e-6
    samples = tracks[0].samples[:, 0]
    for a, b in zip(heard([samples]), heard(np.array_split(samples, 37)), strict=True):
        assert a.span == b.span
        assert np.abs(a.features.samples - b.features.samples).max() <= 1e-6


def heard(pieces: Sequence[np.ndarray]) -> list[PreparedWindow]:
    """What CLAMP3's intake makes of pieces of sound at 44.1 kHz."""
    intake = Clamp3Intake(44_100)
    windows = [window for piece in pieces for window in intake.push(piece)]
    last, finish = intake.finish()
    return [replace(w, features=finish(w.features)) for w in (*windows, *last)]


def test_the_input_is_left_alone(encoder: Clamp3Encoder) -> None:
    samples = sound(6).samples[:, 0]
    before = samples.copy()
    features = encoder.prepare_audio(samples)
    assert np.array_equal(samples, before)
    assert abs(float(features.samples.mean())) < 0.02
    assert features.samples.std() == pytest.approx(1, abs=0.02)


def test_loudness_and_offset_do_not_matter(encoder: Clamp3Encoder) -> None:
    samples = sound(8).samples[:, 0]
    first, second = (
        encoder.forward_audio([encoder.prepare_audio(s)])[0]
        for s in (samples, samples * np.float32(0.3) + np.float32(0.05))
    )
    assert np.abs(first - second).max() < 1e-3


def test_texts_of_one_batch_do_not_mix(encoder: Clamp3Encoder) -> None:
    texts = ["fast piano", "a quiet man", "bird", "fast piano", " ".join(["drums"] * 300)]
    tokens = [encoder.prepare_text(text) for text in texts]
    together = encoder.forward_text(tokens)
    for one, vector in zip(tokens, together, strict=True):
        # By direction, which is all that a cosine space keeps.
        alone = encoder.forward_text([one])[0]
        moved = alone / np.linalg.norm(alone) - vector / np.linalg.norm(vector)
        assert np.abs(moved).max() <= 1e-6
    assert np.array_equal(together[0], together[3])
    assert np.abs(together[0] - together[1]).max() > 1e-3


def test_lines_keep_their_order_and_repeats_go(encoder: Clamp3Encoder) -> None:
    ids = encoder.prepare_text("piano\r\n\nbird\npiano")
    assert np.array_equal(ids, encoder.prepare_text("piano\nbird"))
    assert not np.array_equal(ids, encoder.prepare_text("bird\npiano"))
    assert len(encoder.prepare_text("half a character: \udc80")) > 2
    for empty in ("", " \n\t"):
        with pytest.raises(InvalidInputError, match="nothing to search for"):
            encoder.prepare_text(empty)


def test_a_pickled_copy_is_light_and_gives_the_same(encoder: Clamp3Encoder, weights: Path) -> None:
    data = pickle.dumps(encoder)
    assert len(data) < 4_000
    again = pickle.loads(data)  # noqa: S301 - our own
    assert again.space == encoder.space
    window = again.prepare_audio(sound(3).samples[:, 0])
    assert again._model is None
    assert np.abs(again.forward_audio([window]) - encoder.forward_audio([window])).max() < 1e-6


def test_preparing_in_a_worker_needs_no_torch(encoder: Clamp3Encoder, tmp_path: Path) -> None:
    (tmp_path / "encoder").write_bytes(pickle.dumps(encoder))
    code = (
        "import pickle, sys, numpy as np\n"
        "encoder = pickle.load(open(sys.argv[1], 'rb'))\n"
        "encoder.prepare_audio(np.ones(24000, np.float32))\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code, tmp_path / "encoder"], check=True)


def test_weights_replaced_under_a_copy_are_refused(encoder: Clamp3Encoder, copy: Path) -> None:
    again = pickle.loads(pickle.dumps(Clamp3Encoder(copy, device="cpu")))  # noqa: S301 - our own
    write_clamp3(copy, seed=1)
    with pytest.raises(PreconditionError) as caught:
        again.forward_audio([again.prepare_audio(sound(3).samples[:, 0])])
    assert caught.value.reason == "REVISION_MISMATCH"


def edit(change: Callable[[dict[str, torch.Tensor]], object]) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        path = folder / "clamp3" / CLAMP3_NAME.format(flavour="saas")
        content = torch.load(path, weights_only=True)
        change(content["model"])
        torch.save(content, path)

    return apply


def rename(name: str) -> Callable[[Path], None]:
    path = CLAMP3_NAME.format(flavour="saas")
    return lambda folder: (folder / "clamp3" / path).rename(folder / "clamp3" / name) and None


def truncate(name: str) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        (path,) = folder.glob(name)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    return apply


class Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (print, ("boom",))


def plant(folder: Path) -> None:
    path = folder / "clamp3" / CLAMP3_NAME.format(flavour="saas")
    torch.save({"model": {"x": Bomb()}}, path)


def configure(**values: object) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        path = folder / "MERT-v1-95M" / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | values))

    return apply


def remove(name: str) -> Callable[[Path], None]:
    return lambda folder: next(iter(folder.glob(name))).unlink()


WRONG = {
    "C2 instead of SAAS": (
        rename(CLAMP3_NAME.format(flavour="c2")),
        "MODEL_INVALID",
        "this is the C2 checkpoint",
    ),
    "another name": (rename("model.pth"), "MODEL_MISSING", "no weights_clamp3_saas"),
    "sizes of another": (
        rename(CLAMP3_NAME.format(flavour="saas").replace("a_layers_2", "a_layers_1")),
        "MODEL_INVALID",
        "tensors are unknown",
    ),
    "truncated": (truncate("clamp3/*.pth"), "MODEL_INVALID", "truncated"),
    "a pickle that runs code": (plant, "MODEL_INVALID", "run code"),
    "a tensor too many": (
        edit(lambda m: m.update({"audio_model.extra": torch.ones(1)})),
        "MODEL_INVALID",
        "1 tensors are unknown",
    ),
    "an unknown part": (
        edit(lambda m: m.update({"video_model.x": torch.ones(1)})),
        "MODEL_INVALID",
        "video_model.x",
    ),
    "a tensor too few": (
        edit(lambda m: m.pop("text_proj.bias")),
        "MODEL_INVALID",
        "1 tensors are missing",
    ),
    "a bent tensor": (
        edit(lambda m: m.update({"text_proj.bias": torch.ones(3)})),
        "MODEL_INVALID",
        "of another shape",
    ),
    "no MERT": (remove("MERT-v1-95M/config.json"), "MODEL_MISSING", "MERT-v1-95M"),
    "no weights of MERT": (
        remove("MERT-v1-95M/pytorch_model.bin"),
        "MODEL_MISSING",
        "pytorch_model.bin",
    ),
    "MERT truncated": (truncate("MERT-v1-95M/*.bin"), "MODEL_INVALID", "truncated"),
    "MERT of another kind": (
        configure(feature_extractor_cqt=True),
        "MODEL_INVALID",
        "feature_extractor_cqt",
    ),
    "MERT without a size": (
        lambda folder: (
            (folder / "MERT-v1-95M/config.json").write_text('{"model_type": "mert_model"}') and None
        ),
        "MODEL_INVALID",
        "hidden_size",
    ),
    "no tokenizer": (remove("xlm-roberta-base/tokenizer.json"), "MODEL_MISSING", "tokenizer.json"),
    "a broken tokenizer": (
        lambda folder: (folder / "xlm-roberta-base/tokenizer.json").write_text("{}") and None,
        "MODEL_INVALID",
        "not a tokenizer",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_named(case: str, copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change, reason, words = WRONG[case]
    change(copy)
    with pytest.raises(PreconditionError) as caught:
        Clamp3Encoder(copy, device="cpu")
    assert (caught.value.reason, words in caught.value.message) == (reason, True), caught.value
    assert "boom" not in capsys.readouterr().out


def test_another_tokenizer_is_noticed(copy: Path, tmp_path: Path) -> None:
    write_clamp3(tmp_path / "other", vocabulary=60)
    name = "xlm-roberta-base/tokenizer.json"
    shutil.copy(tmp_path / "other" / name, copy / name)
    with pytest.raises(PreconditionError, match="it has 60 tokens, and the text model"):
        Clamp3Encoder(copy, device="cpu")


def test_a_collapsed_text_tower_is_noticed(tmp_path: Path) -> None:
    write_clamp3(tmp_path, vocabulary=10_000)
    edit(lambda m: m["text_proj.weight"].zero_())(tmp_path)
    with pytest.raises(PreconditionError, match="collapsed"):
        Clamp3Encoder(tmp_path, device="cpu")


def test_a_digest_is_compared(weights: Path) -> None:
    with pytest.raises(PreconditionError, match="its SHA-256 is"):
        Clamp3Encoder(weights, device="cpu", sha256="0" * 64)


def test_the_name_codes_the_sizes() -> None:
    sizes = parse_name(
        Path(
            "weights_clamp3_saas_h_size_768_t_model_FacebookAI_xlm-roberta-base_t_length_128_a_size"
            "_768_a_layers_12_a_length_128_s_size_768_s_layers_12_p_size_64_p_length_512.pth"
        )
    )
    assert (sizes.hidden, sizes.audio_layers, sizes.audio_length, sizes.text_length) == (
        *(768, 12),
        *(128, 128),
    )


def test_every_weight_and_the_tokenizer_are_part_of_the_revision(
    encoder: Clamp3Encoder, copy: Path
) -> None:
    seen = {encoder.space.revision, Clamp3Encoder(copy, device="cpu").space.revision}
    assert len(seen) == 1
    edit(lambda m: m["audio_proj.bias"][:1].add_(1e-6))(copy)
    seen.add(Clamp3Encoder(copy, device="cpu").space.revision)
    path = copy / "xlm-roberta-base" / "tokenizer.json"
    path.write_text(path.read_text().replace('"drums"', '"drumz"'))
    seen.add(Clamp3Encoder(copy, device="cpu").space.revision)
    assert len(seen) == 3


def test_conversion_is_exact_and_whole(
    encoder: Clamp3Encoder, weights: Path, tmp_path: Path
) -> None:
    path = convert(weights, tmp_path / "to")
    again = Clamp3Encoder(tmp_path / "to", device="cpu")
    assert again.space == encoder.space
    window = encoder.prepare_audio(sound(3).samples[:, 0])
    assert np.abs(again.forward_audio([window]) - encoder.forward_audio([window])).max() < 1e-6
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(PreconditionError, match="not those it was written with"):
        Clamp3Encoder(tmp_path / "to", device="cpu")
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(PreconditionError, match="truncated"):
        Clamp3Encoder(path, device="cpu")


def test_a_full_disk_leaves_no_half_model(weights: Path, tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(OSError, match=r"clamp3\.safetensors"):
            convert(weights, tmp_path / "to")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [path.name for path in (tmp_path / "to").iterdir()] == ["tokenizer.json"]
    with pytest.raises(PreconditionError):
        Clamp3Encoder(tmp_path / "to", device="cpu")
