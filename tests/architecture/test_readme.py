"""The README names what there is, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from retrieval.cli.app import COMMANDS
from retrieval.cli.failures import EXIT_CODES
from retrieval.core.payload import STANDARD_FIELDS
from retrieval.settings import Settings

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def test_every_setting_and_no_other() -> None:
    named = set(re.findall(r"`(SEGUE_[A-Z0-9_]+)`", README)) - {"SEGUE_TEST_QDRANT_URL"}
    assert named == {f"SEGUE_{name.upper()}" for name in Settings.model_fields}


def test_every_command_and_no_other() -> None:
    called = set(re.findall(r"(?:^|`|\d )segue ([a-z]+)\b", README, re.MULTILINE))
    assert called == set(COMMANDS)


def test_every_exit_code() -> None:
    table = {int(code) for code in re.findall(r"^\| (\d+) \|", README, re.MULTILINE)}
    assert table == {0, 1, 3, *EXIT_CODES.values()}


def test_every_field() -> None:
    assert [field.name for field in STANDARD_FIELDS if f"`{field.name}`" not in README] == []


def test_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    assert set(re.findall(r"make ([a-z-]+)", README)) <= targets


@pytest.mark.parametrize("code", re.findall(r"```python\n(.*?)```", README, re.DOTALL))
def test_python_examples_name_what_there_is(code: str) -> None:
    imports = [line for line in code.splitlines() if re.match(r"(from|import) ", line)]
    exec("\n".join(imports), {})  # noqa: S102 - our own README
    compile(code, "README.md", "exec")


def test_paths_exist() -> None:
    named = re.findall(r"`((?:retrieval|indexer|protos|deploy|tests)/[\w./-]*)`", README)
    assert [path for path in named if not (ROOT / path).exists()] == []
