"""Imports run one way, and the contracts that say so would notice if they did not."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLANTED = {
    "core looks up": ("retrieval/core/tracks.py", "import retrieval.search", "One way"),
    "a store loads an encoder": (
        "retrieval/store/protocol.py",
        "import retrieval.encoders.protocol",
        "One way",
    ),
    "search asks the indexer": ("retrieval/search/__init__.py", "import indexer", "One way"),
    "the indexer asks the service": ("indexer/__init__.py", "import retrieval.service", "One way"),
    "gRPC in the command line": ("retrieval/cli/__init__.py", "import grpc", "Protobuf stays"),
    "protobuf in the domain": ("retrieval/core/queries.py", "import google.protobuf", "Protobuf"),
    "Qdrant in search": ("retrieval/search/__init__.py", "import qdrant_client", "Qdrant stays"),
    "Edge in the service": ("retrieval/service/__init__.py", "import qdrant_edge", "Qdrant stays"),
}


def lint(tree: Path) -> subprocess.CompletedProcess[str]:
    # The tree's own packages, not those of the editable install.
    code = (
        "import sys; sys.path.insert(0, '.'); "
        "from importlinter.cli import lint_imports; "
        "sys.exit(lint_imports(no_cache=True))"
    )
    return subprocess.run(
        [sys.executable, "-c", code], cwd=tree, capture_output=True, text=True, check=False
    )


def copy_of_the_tree(to: Path) -> Path:
    for package in ("retrieval", "indexer"):
        shutil.copytree(ROOT / package, to / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", to)
    return to


def test_contracts_hold() -> None:
    done = lint(ROOT)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("planted", PLANTED)
def test_contracts_notice(planted: str, tmp_path: Path) -> None:
    module, line, contract = PLANTED[planted]
    tree = copy_of_the_tree(tmp_path)
    with (tree / module).open("a") as file:
        file.write(f"\n{line}\n")
    done = lint(tree)
    assert done.returncode == 1, done.stdout
    broken = [line for line in done.stdout.splitlines() if " BROKEN" in line]
    assert len(broken) == 1, done.stdout
    assert broken[0].startswith(contract)
