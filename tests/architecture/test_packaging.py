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
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tree = tmp_path_factory.mktemp("tree")
    for package in ("retrieval", "indexer", "tests"):
        shutil.copytree(
            ROOT / package, tree / package, ignore=shutil.ignore_patterns("__pycache__")
        )
    for file in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / file, tree)
    out = tmp_path_factory.mktemp("dist")
    code = (
        "import sys; from setuptools import build_meta; "
        "build_meta.build_sdist(sys.argv[1]); build_meta.build_wheel(sys.argv[1])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(out)], cwd=tree, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    return out


def wanted() -> set[str]:
    """Every file of the two packages that git would keep."""
    return {
        path.relative_to(ROOT).as_posix()
        for package in ("retrieval", "indexer")
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_the_wheel_holds_both_packages_whole(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    assert wheel.name.endswith("-py3-none-any.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        entry = next(name for name in names if name.endswith("entry_points.txt"))
        assert "segue = retrieval.cli:main" in archive.read(entry).decode()
    assert {name for name in names if ".dist-info/" not in name} == wanted()
    assert {"retrieval/py.typed", "indexer/py.typed"} <= names
    assert "retrieval/api/v1/search_pb2.py" in names
    assert "retrieval/api/v1/search_pb2.pyi" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_the_sdist_builds_the_same(built: Path) -> None:
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.split("/", 1)[-1] for name in archive.getnames()}
    assert wanted() <= names
    assert {"pyproject.toml", "README.md", "LICENSE"} <= names
