"""What starting costs: `segue --help` and the client load nothing heavy."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {
    *("torch", "transformers", "librosa", "scipy", "numba", "numpy", "soundfile", "soxr", "av"),
    *("grpc", "google", "qdrant_client", "qdrant_edge", "pydantic", "structlog", "lark"),
}


def loaded(code: str) -> set[str]:
    probe = f"import sys\n{code}\nprint('LOADED', *sys.modules)"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    line = next(line for line in done.stdout.splitlines() if line.startswith("LOADED"))
    return {name.split(".", 1)[0] for name in line.split()}


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["--version"], ["search", "--help"], ["index", "--help"]],
    ids=" ".join,
)
def test_help_imports_no_heavy_module(arguments: list[str]) -> None:
    modules = loaded(
        "from retrieval.cli import main\n"
        f"sys.argv = ['segue', *{arguments}]\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code, end.code"
    )
    assert modules & HEAVY == set()


def test_the_client_loads_no_engine_and_no_decoder() -> None:
    modules = loaded("from retrieval.client import AsyncClient, Client")
    heavy = {"torch", "transformers", "librosa", "scipy", "qdrant_client", "qdrant_edge", "av"}
    assert modules & heavy == set()
    assert "grpc" in modules


# Imported by their encoders alone, once a model is to be loaded.
OF_THE_MODELS_EXTRA = (
    [
        f"retrieval.encoders.{name}"
        for name in (
            *("clamp3_modules", "clap_modules", "laion_package", "torch_runtime"),
            *("onnx_export", "onnx_runtime"),
        )
    ]
    + [
        f"indexer.learning.{name}"
        for name in (
            *("networks", "losses", "fitting", "resuming", "mlp", "temporal", "tuning", "options"),
            *("recommender", "video_features"),
        )
    ]
    + [
        f"indexer.extractors.{name}"
        for name in ("beat_this", "btc", "btc_network", "crepe", "mert", "openl3", "weights")
    ]
)


def test_the_base_install_runs_without_extras() -> None:
    """Nothing at run time imports what only an extra brings."""
    code = (
        "import importlib, pkgutil, sys\n"
        "class Refuse:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] in {'torch', 'transformers', 'librosa', 'scipy', 'numba',\n"
        "                'tokenizers',\n"
        "                'sklearn', 'psutil', 'grpc_tools', 'hypothesis', 'laion_clap',\n"
        "                'pyarrow', 'onnx', 'onnxruntime'}:\n"
        "            raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Refuse())\n"
        "import retrieval, indexer\n"
        "for package in (retrieval, indexer):\n"
        "    for info in pkgutil.walk_packages(package.__path__, package.__name__ + '.'):\n"
        # Left out of the wheel, with what it needs.
        "        if info.name.startswith('indexer.training.'):\n"
        "            continue\n"
        f"        if info.name not in {OF_THE_MODELS_EXTRA}:\n"
        "            importlib.import_module(info.name)\n"
    )
    assert "retrieval" in loaded(code)
