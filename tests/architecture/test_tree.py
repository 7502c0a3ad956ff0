"""What lies where: the top level, the size of modules, generated code in step, pins."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
GENERATED = ROOT / "retrieval" / "api" / "v1"
SOURCES = sorted(
    path
    for package in ("retrieval", "indexer", "tests")
    for path in (ROOT / package).rglob("*.py")
    if GENERATED not in path.parents
)
TOP_LEVEL = {
    *("pyproject.toml", "README.md", "Makefile", "constraints.txt", "LICENSE"),
    *("retrieval", "indexer", "protos", "deploy", "tests"),
}
VAGUE = re.compile(r"^(utils?|helpers?|manager|misc|common)$")


def tracked() -> set[str]:
    done = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip("not a git checkout")
    return set(done.stdout.rstrip("\0").split("\0"))


def test_top_level_is_what_was_agreed() -> None:
    names = {path.split("/", 1)[0] for path in tracked()}
    assert {name for name in names if not name.startswith(".")} == TOP_LEVEL


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_modules_are_small_and_well_named(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 400
    assert not VAGUE.match(path.stem)


def test_no_unfinished_business() -> None:
    mark = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X)\b")
    found = [str(path) for path in SOURCES if mark.search(path.read_text())]
    assert found == []


def test_every_module_says_what_it_is_for() -> None:
    silent = [str(path) for path in SOURCES if path.name != "__init__.py" and not doc_of(path)]
    assert [path for path in silent if "/tests/" not in path] == []


def doc_of(path: Path) -> str | None:
    return ast.get_docstring(ast.parse(path.read_text()))


def test_generated_code_is_in_step_with_its_source(tmp_path: Path) -> None:
    protos = sorted(path.relative_to(ROOT) for path in (ROOT / "protos").rglob("*.proto"))
    assert protos
    subprocess.run(
        [
            *(sys.executable, "-m", "grpc_tools.protoc", "-Iprotos"),
            *(f"--{kind}_out={tmp_path}" for kind in ("python", "grpc_python", "pyi")),
            *map(str, protos),
        ],
        cwd=ROOT,
        check=True,
    )
    made = {path.relative_to(tmp_path): path.read_text() for path in tmp_path.rglob("*_pb2*")}
    kept = {path.relative_to(ROOT): path.read_text() for path in GENERATED.rglob("*_pb2*")}
    kept = {path: text for path, text in kept.items() if "__pycache__" not in path.parts}
    assert made.keys() == kept.keys()
    stale = [str(path) for path in made if made[path] != kept[path]]
    assert stale == [], "run `make proto`"


def test_every_dependency_is_pinned_within_its_range() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pins = {}
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        if not line.startswith("#"):
            name, version = line.split("==")
            pins[canonicalize_name(name)] = version
    extras = project["optional-dependencies"]
    # laion-clap demands NumPy 1: see the head of constraints.txt.
    wanted = [*project["dependencies"], *extras["models"], *extras["bench"], *extras["dev"]]
    for text in wanted:
        requirement = Requirement(text)
        name = canonicalize_name(requirement.name)
        assert name in pins, f"{text}: run `make constraints`"
        assert requirement.specifier.contains(pins[name]), text


def test_the_base_is_light() -> None:
    base = {
        canonicalize_name(Requirement(text).name)
        for text in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    }
    assert not base & {"torch", "transformers", "librosa", "scipy", "numba", "scikit-learn"}
