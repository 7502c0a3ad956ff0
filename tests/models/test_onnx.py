"""Both runtimes give the same vectors, and what ONNX Runtime needs is kept, or done without."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from retrieval.encoders import network as network_module  # noqa: E402
from retrieval.encoders import torch_runtime  # noqa: E402
from retrieval.encoders.clamp3 import Clamp3Encoder  # noqa: E402
from retrieval.encoders.clap import ClapEncoder  # noqa: E402
from retrieval.encoders.device import Compute  # noqa: E402
from retrieval.encoders.network import Built, Network, Traits  # noqa: E402
from tests.models.runtimes import running_on  # noqa: E402
from tests.models.tiny import write_clamp3  # noqa: E402
from tests.models.tiny_clap import write_hub  # noqa: E402

Model = type[ClapEncoder] | type[Clamp3Encoder]
TEXTS = ("bird", "fast piano", "a quiet man", "slow metal guitars drums", " ".join(["loud"] * 200))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("weights")
    write_hub(folder / "ClapEncoder")
    write_clamp3(folder / "Clamp3Encoder")
    return folder


def load(model: Model, folder: Path, runtime: str, *, threads: int = 1) -> ClapEncoder:
    before = torch.get_num_threads()
    with running_on(runtime, threads=threads):
        encoder = model(folder / model.__name__, device="cpu")
    torch.set_num_threads(before)
    return encoder


def networks(encoder: ClapEncoder | Clamp3Encoder) -> list[Network]:
    model = encoder._ready()
    if isinstance(encoder, ClapEncoder):
        return [model.towers._sound, model.towers._text]
    return [model.mert._network, model.audio._network, model.text._network]


def sounds(encoder: ClapEncoder) -> list[object]:
    length = encoder.windowing.length
    seconds = [length, length, length, length, 2.5, length, 1.25, 2.5]
    return [
        encoder.prepare_audio(
            np.random.default_rng(i).normal(0, 0.1, round(s * encoder.sample_rate)).astype("f4")
        )
        for i, s in enumerate(seconds)
    ]


def everything(encoder: ClapEncoder) -> dict[str, np.ndarray]:
    rows = encoder.forward_audio(sounds(encoder))
    return {
        "rows": rows,
        "pooled": encoder.pool(rows, np.ones(len(rows))),
        "texts": np.stack(encoder.forward_text([encoder.prepare_text(text) for text in TEXTS])),
    }


@pytest.mark.parametrize("model", [ClapEncoder, Clamp3Encoder])
def test_both_runtimes_agree(model: Model, folder: Path) -> None:
    slow, fast = load(model, folder, "torch"), load(model, folder, "auto", threads=3)
    expected, found = everything(slow), everything(fast)
    assert {one.runtime for one in networks(slow)} == {"torch"}
    assert {one.runtime for one in networks(fast)} == {"onnx"}
    assert slow.space == fast.space
    for name, vectors in expected.items():
        assert np.abs(found[name] - vectors).max() <= 2e-5, name
        assert np.abs(found[name] - vectors).max() > 0, name


@pytest.mark.parametrize("runtime", ["torch", "onnx"])
@pytest.mark.parametrize("model", [ClapEncoder, Clamp3Encoder])
def test_neighbours_and_batches_never_show(model: Model, runtime: str, folder: Path) -> None:
    encoder = load(model, folder, runtime, threads=2)
    windows = sounds(encoder)
    rows = encoder.forward_audio(windows)
    tokens = [encoder.prepare_text(text) for text in TEXTS]
    vectors = np.stack(encoder.forward_text(tokens))
    for size in (1, 3, 16):
        for one in networks(encoder):
            one._batches.size = size
        turned = encoder.forward_audio([*windows[::-1], *windows[:2]])
        assert np.abs(turned[: len(rows)][::-1] - rows).max() <= 1e-6
        assert np.abs(turned[len(rows) :] - rows[:2]).max() <= 1e-6
        found = np.stack(encoder.forward_text([*tokens, *tokens]))
        assert directions(found, np.concatenate([vectors, vectors])) <= 1e-6


def directions(one: np.ndarray, two: np.ndarray) -> float:
    """The largest difference by direction, which is all that a cosine space keeps."""
    lengths = (np.linalg.norm(v, axis=1, keepdims=True) for v in (one, two))
    return float(np.abs(one / next(lengths) - two / next(lengths)).max())


@pytest.fixture(scope="module")
def elsewhere(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what another process makes of everything."""
    code = (
        "import sys, pathlib, numpy as np\n"
        "from tests.models import test_onnx as t\n"
        "folder, to, *names = sys.argv[1:]\n"
        "for name in names:\n"
        "    encoder = t.load(getattr(t, name), pathlib.Path(folder), 'auto')\n"
        "    np.savez(pathlib.Path(to) / f'{name}.npz', **t.everything(encoder))\n"
    )
    out = tmp_path_factory.mktemp("elsewhere")
    arguments = [folder, out, ClapEncoder.__name__, Clamp3Encoder.__name__]
    subprocess.run(
        [sys.executable, "-c", code, *arguments], check=True, cwd=Path(__file__).parents[2]
    )
    return out


@pytest.mark.parametrize("model", [ClapEncoder, Clamp3Encoder])
def test_a_restart_changes_nothing(model: Model, folder: Path, elsewhere: Path) -> None:
    expected = everything(load(model, folder, "auto"))
    with np.load(elsewhere / f"{model.__name__}.npz") as found:
        for name, vectors in expected.items():
            assert np.abs(found[name] - vectors).max() <= 1e-6, name


class Line(torch.nn.Module):
    """A layer, and what it gives times a factor that is in the code."""

    def __init__(self, factor: float = 1.0, *, traceable: bool = True) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer, self.factor, self.traceable = torch.nn.Linear(8, 8), factor, traceable

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        if torch.jit.is_tracing() and not self.traceable:
            raise ValueError("cannot be traced")
        return self.layer(batch) * self.factor


def line(graphs: Path, runtime: str = "auto", **kind: object) -> Network:
    given = np.random.default_rng(0).normal(0, 1, (3, 8)).astype(np.float32)
    traits = Traits(
        name="line", identity="line", code=__name__, dim=8, canaries=[given[:2], given[2:]]
    )
    compute = Compute(runtime=runtime, graphs=graphs, told_threads=1)
    return Network(lambda: Built(Line(**kind).eval()), compute, traits, batch=2)


ROW = [np.arange(8, dtype=np.float32)]


def test_a_graph_is_exported_once_and_holds_no_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = line(tmp_path)(ROW)
    (graph,) = tmp_path.glob("*.onnx")
    assert graph.stat().st_size < 1_000
    monkeypatch.delattr(torch.onnx, "export")
    again = line(tmp_path)
    assert np.array_equal(again(ROW), expected)
    assert again.runtime == "onnx"
    assert list(tmp_path.glob("*.onnx")) == [graph]


@pytest.mark.parametrize("damage", [b"", b"not a graph", None])
def test_a_damaged_graph_is_made_anew(
    damage: bytes | None, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    expected = line(tmp_path)(ROW)
    (graph,) = tmp_path.glob("*.onnx")
    whole = graph.read_bytes()
    graph.write_bytes(whole[: len(whole) // 2] if damage is None else damage)
    again = line(tmp_path)
    assert np.array_equal(again(ROW), expected)
    assert again.runtime == "onnx"
    assert "made anew" in caplog.text
    assert graph.read_bytes() == whole


def test_a_graph_that_gives_other_vectors_is_dropped(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    line(tmp_path)(ROW)
    for proof in tmp_path.glob("*.holds"):
        proof.unlink()
    other = line(tmp_path, factor=1.001)
    assert np.array_equal(other(ROW), line(tmp_path, runtime="torch", factor=1.001)(ROW))
    assert other.runtime == "torch"
    assert "not in ONNX Runtime" in caplog.text


def test_what_was_proved_is_not_proved_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = line(tmp_path)(ROW)
    (graph,), (proof,) = tmp_path.glob("*.onnx"), tmp_path.glob("*.holds")
    tried: list[object] = []
    attempt = torch_runtime._Trial._try
    monkeypatch.setattr(
        torch_runtime._Trial, "_try", lambda *given: tried.append(given) or attempt(*given)
    )
    assert np.array_equal(line(tmp_path)(ROW), expected)
    assert tried == []
    # Of another graph, nothing is known.
    model = onnx.load(graph, load_external_data=False)
    model.doc_string = "changed"
    graph.write_bytes(model.SerializeToString())
    assert np.array_equal(line(tmp_path)(ROW), expected)
    assert len(tried) == 2
    assert proof in (proofs := set(tmp_path.glob("*.holds")))
    assert len(proofs) == 2


def test_what_does_not_hold_is_tried_at_every_start(tmp_path: Path) -> None:
    line(tmp_path)(ROW)
    for proof in tmp_path.glob("*.holds"):
        proof.unlink()
    for _ in range(2):
        other = line(tmp_path, factor=1.001)
        other(ROW)
        assert other.runtime == "torch"
    assert list(tmp_path.glob("*.holds")) == []


def test_a_folder_that_cannot_be_written_costs_time_only(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "graphs").write_text("a file")
    one = line(tmp_path / "graphs")
    one(ROW)
    assert one.runtime == "onnx"
    assert "cannot be kept" in caplog.text


def test_what_cannot_be_exported_runs_on_pytorch(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    one = line(tmp_path, traceable=False)
    assert np.array_equal(one(ROW), line(tmp_path, runtime="torch")(ROW))
    assert (one.runtime, list(tmp_path.iterdir())) == ("torch", [])
    assert "cannot be traced" in caplog.text


@pytest.mark.parametrize(("runtime", "level"), [("auto", None), ("onnx", logging.WARNING)])
def test_without_the_extra(
    runtime: str,
    level: int | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(network_module, "find_spec", lambda _: None)
    one = line(tmp_path, runtime=runtime)
    one(ROW)
    assert one.runtime == "torch"
    assert [record.levelno for record in caplog.records] == ([level] if level else [])


def test_a_package_that_does_not_fit_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    # As where a wheel is too new for the system's C library.
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    for name in ("onnx_runtime", "onnx_export"):
        monkeypatch.delitem(sys.modules, f"retrieval.encoders.{name}", raising=False)
    monkeypatch.setattr(network_module, "find_spec", lambda _: True)
    one = line(tmp_path)
    assert np.array_equal(one(ROW), line(tmp_path, runtime="torch")(ROW))
    assert one.runtime == "torch"
    assert "not on ONNX Runtime" in caplog.text
