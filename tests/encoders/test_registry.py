"""The registry and sets of encoders."""

from __future__ import annotations

import subprocess
import sys

import pytest

from retrieval.core.errors import InvalidInputError
from retrieval.encoders.registry import EncoderSet, default_encoders, descriptions, load


def test_default_encoders() -> None:
    encoders = default_encoders()
    assert list(encoders) == ["perceptual", "lexical", "ear"]
    assert [e.space.name for e in encoders.audio()] == ["perceptual", "ear"]
    assert [e.space.name for e in encoders.text()] == ["lexical", "ear"]
    assert [e.space.name for e in encoders.words()] == ["lexical"]
    assert [space.name for space in encoders.spaces()] == list(encoders)
    assert encoders["lexical"] is load("lexical")
    assert len(encoders) == 3


def test_settings_name_the_encoders(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGUE_ENCODERS", "lexical")
    assert list(default_encoders()) == ["lexical"]
    monkeypatch.setenv("SEGUE_ENCODERS", "lexical,telepathic")
    with pytest.raises(InvalidInputError, match="telepathic"):
        default_encoders()


@pytest.mark.parametrize(
    ("name", "extra"), [("clap", "models"), ("laion-clap", "laion"), ("clamp3", "models")]
)
def test_without_its_extra_a_model_says_what_to_install(name: str, extra: str) -> None:
    script = (
        "import sys\n"
        "sys.modules['torch'] = None\n"
        "from retrieval.core.errors import PreconditionError\n"
        "from retrieval.encoders.registry import load\n"
        f"try: load({name!r})\n"
        "except PreconditionError as error: print(error.reason, error.message)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("MODEL_MISSING")
    assert f"pip install 'segue[{extra}]'" in done.stdout


def test_names_are_unique_and_unknown_ones_are_refused() -> None:
    names = [description.name for description in descriptions()]
    assert len(set(names)) == len(names)
    with pytest.raises(InvalidInputError, match="perceptual"):
        load("telepathic")


def test_two_encoders_cannot_fill_one_space() -> None:
    with pytest.raises(InvalidInputError, match="lexical"):
        EncoderSet([load("lexical"), load("lexical")])


def test_listing_encoders_loads_none() -> None:
    script = (
        "import sys\n"
        "from retrieval.encoders.registry import descriptions\n"
        "assert descriptions()\n"
        "heavy = {'qdrant_edge', 'torch', 'av', 'soundfile', 'soxr'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
