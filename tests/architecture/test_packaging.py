"""The wheel and the sdist hold all that running needs, and no more."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, set[str]]:
    """A folder with the wheel and the sdist, and the files of the two packages."""
    tree = tmp_path_factory.mktemp("tree")
    for package in ("retrieval", "indexer", "tests"):
        shutil.copytree(
            ROOT / package, tree / package, ignore=shutil.ignore_patterns("__pycache__")
        )
    for file in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / file, tree)
    wanted = {
        path.relative_to(tree).as_posix()
        for package in ("retrieval", "indexer")
        for path in (tree / package).rglob("*")
        # The training of models needs what no wheel can bring.
        if path.is_file() and "training" not in path.parts
    }
    out = tmp_path_factory.mktemp("dist")
    code = (
        "import sys; from setuptools import build_meta; out = sys.argv[1]; "
        "build_meta.build_sdist(out); build_meta.build_wheel(out)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(out)], cwd=tree, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    return out, wanted


def test_the_wheel_holds_both_packages_whole(built: tuple[Path, set[str]]) -> None:
    out, wanted = built
    (wheel,) = out.glob("*.whl")
    assert wheel.name.endswith("-py3-none-any.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        entry = next(name for name in names if name.endswith("entry_points.txt"))
        assert "segue = retrieval.cli:main" in archive.read(entry).decode()
    assert {name for name in names if ".dist-info/" not in name} == wanted
    assert {"retrieval/py.typed", "indexer/py.typed"} <= names
    assert "retrieval/api/v1/search_pb2.py" in names
    assert "retrieval/api/v1/search_pb2.pyi" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert "retrieval/encoders/ear.safetensors" in names
    assert not any(name.startswith("indexer/training") for name in names)


def test_the_sdist_builds_the_same(built: tuple[Path, set[str]]) -> None:
    out, wanted = built
    (sdist,) = out.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.split("/", 1)[-1] for name in archive.getnames()}
    assert wanted <= names
    assert {"pyproject.toml", "README.md", "LICENSE"} <= names
