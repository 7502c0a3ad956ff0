"""A second start needs no PyTorch, gives the same vectors, and notices whatever has changed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from retrieval.encoders import clap_modules, fingerprint, onnx_places  # noqa: E402
from retrieval.encoders.clamp3 import Clamp3Encoder  # noqa: E402
from retrieval.encoders.clamp3_files import convert as convert_clamp3  # noqa: E402
from retrieval.encoders.clap import ClapEncoder  # noqa: E402
from retrieval.encoders.clap_files import convert as convert_clap  # noqa: E402
from retrieval.encoders.device import Compute  # noqa: E402
from retrieval.encoders.network import Built, Network, Traits  # noqa: E402
from retrieval.encoders.onnx_places import find_places, read_places  # noqa: E402
from tests.bench.clips import write_clips  # noqa: E402
from tests.models.test_onnx import everything, networks  # noqa: E402
from tests.models.tiny import write_clamp3, write_tokenizer  # noqa: E402
from tests.models.tiny_clap import laion_state, tiny_clap, write_hub  # noqa: E402

ROOT = Path(__file__).parents[2]
HEAVY = ("torch", "transformers")
Encoder = ClapEncoder | Clamp3Encoder


@pytest.fixture(autouse=True)
def settled_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Files are written and read in one breath; what is kept goes to a folder of the test's."""
    monkeypatch.setattr(fingerprint, "_SETTLED", 0.0)
    monkeypatch.setenv("SEGUE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("SEGUE_THREADS", "1")


def _hub(folder: Path) -> Encoder:
    write_hub(folder)
    return ClapEncoder(folder, device="cpu")


def _fused(folder: Path) -> Encoder:
    write_hub(folder, fused=True)
    return ClapEncoder(folder, device="cpu")


def _laion(folder: Path) -> Encoder:
    folder.mkdir()
    model = tiny_clap(write_tokenizer(folder / "tokenizer.json"))
    torch.save({"state_dict": laion_state(model)}, folder / "tiny.pt")
    return ClapEncoder(folder / "tiny.pt", device="cpu")


def _clamp3(folder: Path) -> Encoder:
    write_clamp3(folder)
    return Clamp3Encoder(folder, device="cpu")


def _converted_clamp3(folder: Path) -> Encoder:
    write_clamp3(folder / "from")
    convert_clamp3(folder / "from", folder / "to")
    return Clamp3Encoder(folder / "to", device="cpu")


def _converted_clap(folder: Path) -> Encoder:
    write_hub(folder / "from")
    convert_clap(folder / "from", folder / "to")
    return ClapEncoder(folder / "to", device="cpu")


LAYOUTS = [
    _hub,
    _clamp3,
    *(pytest.param(one, marks=pytest.mark.slow) for one in (_laion, _converted_clap)),
    pytest.param(_converted_clamp3, marks=pytest.mark.slow),
]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_second_start_needs_no_pytorch_and_gives_the_same_bits(
    layout: Callable[[Path], Encoder], tmp_path: Path
) -> None:
    first = layout(tmp_path / "weights")
    expected = everything(first)
    assert {one.runtime for one in networks(first)} == {"onnx"}
    code = (
        "import importlib, pathlib, sys, numpy as np\n"
        "module, name, source, to = sys.argv[1:]\n"
        "kind = getattr(importlib.import_module(module), name)\n"
        "encoder = kind(pathlib.Path(source), device='cpu')\n"
        "seconds = [encoder.windowing.length] * 4 + [2.5, encoder.windowing.length, 1.25, 2.5]\n"
        "sounds = [np.random.default_rng(i).normal(0, 0.1, round(s * encoder.sample_rate))\n"
        "    for i, s in enumerate(seconds)]\n"
        "sounds = [encoder.prepare_audio(sound.astype('f4')) for sound in sounds]\n"
        "rows = encoder.forward_audio(sounds)\n"
        "pooled = encoder.pool(rows, np.ones(len(rows)))\n"
        "words = ['bird', 'fast piano', 'a quiet man', 'slow metal guitars drums',\n"
        "    ' '.join(['loud'] * 200)]\n"
        "texts = encoder.forward_text([encoder.prepare_text(one) for one in words])\n"
        f"assert not sys.modules.keys() & set({HEAVY})\n"
        "np.savez(to, rows=rows, pooled=pooled, texts=texts, revision=encoder.space.revision)\n"
    )
    kind = type(first)
    arguments = [kind.__module__, kind.__name__, str(first._source), str(tmp_path / "second.npz")]
    subprocess.run([sys.executable, "-c", code, *arguments], check=True, cwd=ROOT)
    with np.load(tmp_path / "second.npz") as found:
        assert str(found["revision"]) == first.space.revision
        for name, vectors in expected.items():
            assert np.array_equal(found[name], vectors), name


def test_commands_need_no_pytorch_the_second_time(tmp_path: Path) -> None:
    write_hub(tmp_path / "clap")
    write_clamp3(tmp_path / "clamp3")
    music = write_clips(tmp_path / "music", 1, 6.0)
    weights = {f"SEGUE_{name.upper()}_WEIGHTS": str(tmp_path / name) for name in ("clap", "clamp3")}
    environment = os.environ | weights | {"SEGUE_ENCODERS": "perceptual,lexical,clap,clamp3"}
    # The first start happens in this process, to which files seem settled at once.
    for encoder in (ClapEncoder(tmp_path / "clap"), Clamp3Encoder(tmp_path / "clamp3")):
        everything(encoder)
    for command in (["index", str(music)], ["search", "slow drums"]):
        code = (
            "import sys\n"
            "from retrieval.cli import main\n"
            "try: main()\n"
            "except SystemExit as end: assert not end.code, end.code\n"
            f"assert not sys.modules.keys() & set({HEAVY})\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, *command, "--json"],
            check=True,
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
        )
        answer = json.loads(done.stdout)
        assert answer["indexed"] == 1 if command[0] == "index" else len(answer["hits"]) == 1


def few(encoder: Encoder) -> np.ndarray:
    sound = np.random.default_rng(0).normal(0, 0.1, 48_000).astype(np.float32)
    (row,) = encoder.forward_audio([encoder.prepare_audio(sound)])
    (text,) = encoder.forward_text([encoder.prepare_text("slow bird")])
    return np.concatenate([row, text])


def build_nothing(weights: object) -> None:
    raise AssertionError("read again")


class Line(torch.nn.Module):
    """A layer of a file, and one that is computed."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.layer, self.made = torch.nn.Linear(8, 8), torch.nn.Linear(8, 8)
        self.layer.load_state_dict(torch.load(file, mmap=True, weights_only=True), assign=True)
        self.made.weight.data.fill_(0.5)
        self.made.bias.data.fill_(0.25)

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        return self.made(self.layer(batch))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    torch.save(torch.nn.Linear(8, 8).state_dict(), tmp_path / "line.bin")
    return tmp_path / "line.bin"


def start(file: Path) -> tuple[np.ndarray, bool]:
    """What a start makes of a row, and whether PyTorch's module was built for it."""
    built: list[Path] = []

    def build() -> Built:
        built.append(file)
        return Built(Line(file).eval(), file)

    given = np.random.default_rng(0).normal(0, 1, (3, 8)).astype(np.float32)
    traits = Traits("line", "line", code=__name__, dim=8, canaries=[given[:2], given[2:]])
    compute = Compute(runtime="auto", told_threads=1, graphs=file.parent / "graphs")
    network = Network(build, compute, traits, batch=2)
    rows = network(list(given))
    assert network.runtime == "onnx"
    return rows, bool(built)


@pytest.mark.parametrize(
    ("kept", "damage"),
    [
        ("*.onnx", b"{}"),
        ("*.onnx", None),
        ("*.json", b"{}"),
        ("*.json", None),
        ("*.safetensors", b""),
        ("*.safetensors", None),
        ("*.holds", None),
    ],
)
def test_what_is_damaged_is_made_anew(kept: str, damage: bytes | None, file: Path) -> None:
    expected, built = start(file)
    assert built
    rows, built = start(file)
    assert not built
    assert np.array_equal(rows, expected)
    (path,) = (file.parent / "graphs").glob(kept)
    if damage is None:
        path.unlink()
    else:
        path.write_bytes(damage)
    rows, built = start(file)
    assert built
    assert np.array_equal(rows, expected)
    assert not start(file)[1]


def test_a_graph_is_not_run_on_a_file_that_was_written_again(file: Path) -> None:
    before, _ = start(file)
    then = file.stat()
    torch.manual_seed(1)
    torch.save(torch.nn.Linear(8, 8).state_dict(), file)
    os.utime(file, ns=(then.st_atime_ns, then.st_mtime_ns))
    rows, built = start(file)
    assert built
    assert np.abs(rows - before).max() > 0.1
    again, built = start(file)
    assert not built
    assert np.array_equal(again, rows)


def test_other_weights_of_the_same_size_and_time_are_another_space(tmp_path: Path) -> None:
    first = _hub(tmp_path / "weights")
    before = few(first)
    (path,) = (tmp_path / "weights").glob("model.safetensors")
    then, content = path.stat(), bytearray(path.read_bytes())
    content[-400:] = np.full(100, 0.25, np.float32).tobytes()
    path.write_bytes(content)
    os.utime(path, ns=(then.st_atime_ns, then.st_mtime_ns))
    again = ClapEncoder(tmp_path / "weights", device="cpu")
    assert again.space.revision != first.space.revision
    assert not np.array_equal(few(again), before)


@pytest.mark.slow
def test_fused_models_take_pytorch_for_the_picture_of_a_sound_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = _fused(tmp_path / "weights")
    expected = few(first)
    monkeypatch.setattr(clap_modules, "ClapModules", build_nothing)
    assert np.array_equal(few(ClapEncoder(tmp_path / "weights", device="cpu")), expected)


def test_places_are_those_of_the_values(tmp_path: Path) -> None:
    torch.manual_seed(0)
    whole = torch.randn(12, 7)
    content = {"whole": whole, "twice": torch.randn(12, 7), "other": torch.arange(5)}
    torch.save(content, tmp_path / "file.bin")
    mapped = torch.load(tmp_path / "file.bin", mmap=True, weights_only=True)
    tensors = {
        "second": mapped["whole"].chunk(3)[1],
        "twice": mapped["twice"],
        "turned": mapped["twice"].t(),
        "other": mapped["other"],
        "computed": mapped["twice"] * 2,
    }
    places, rest = find_places(tmp_path / "file.bin", tensors)
    assert places.tensors.keys() == {"second", "twice", "other"}
    raw = (tmp_path / "file.bin").read_bytes()
    for name, (offset, length) in places.tensors.items():
        assert raw[offset : offset + length] == tensors[name].numpy().tobytes()
    (tmp_path / "graph.json").write_text(places.model_dump_json())
    (tmp_path / "graph.safetensors").write_bytes(rest)
    again, others = read_places(tmp_path / "graph.onnx")
    assert again == places
    assert {name: value.tolist() for name, value in others.items()} == {
        name: tensors[name].tolist() for name in ("turned", "computed")
    }
    (tmp_path / "graph.safetensors").write_bytes(rest[:-1] + b"?")
    assert read_places(tmp_path / "graph.onnx") is None


def test_nothing_large_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = {"one": torch.randn(10, 10).half(), "two": torch.randn(10, 10).half()}
    torch.save(content, tmp_path / "half.bin")
    tensors = {name: value.float() for name, value in content.items()}
    places, _ = find_places(tmp_path / "half.bin", tensors)
    assert places.tensors == {}
    monkeypatch.setattr(onnx_places, "_MOST", 500)
    assert find_places(tmp_path / "half.bin", tensors) is None
