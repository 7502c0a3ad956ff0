"""The registry: names, fields and series are unique, documented and declared."""

import importlib.util
import pickle
from pathlib import Path

import pytest

from retrieval.core.errors import InvalidInputError, PreconditionError
from retrieval.core.payload import STANDARD_FIELDS
from retrieval.core.series import SERIES_NAME
from retrieval.describe.protocol import Descriptor
from retrieval.describe.registry import chosen, descriptions, load, load_all
from tests.describe.pieces import RATE, piece
from tests.describe.sounds import heard

README = (Path(__file__).parents[2] / "README.md").read_text()
CORE = load_all(chosen("core"))


def loaded() -> list[Descriptor]:
    installed = importlib.util.find_spec("basic_pitch") and importlib.util.find_spec("onnxruntime")
    return [load(d.name) for d in descriptions() if d.core or installed]


def test_every_fact_has_one_descriptor_and_a_place_in_the_readme() -> None:
    fields = [field for one in loaded() for field in one.fields]
    # A field that every library has may be filled by a descriptor, if it is the very same.
    names = [field.name for field in dict.fromkeys((*STANDARD_FIELDS, *fields))]
    assert len(set(fields)) == len(fields)
    assert len(set(names)) == len(names)
    assert all(field.computed and field.description for field in fields)
    shown = [n for n in names if not n.endswith("_confidence")]
    assert [name for name in shown if f"`{name}`" not in README] == []
    series = [one.name for each in loaded() for one in each.series]
    assert len(set(series)) == len(series)
    assert all(SERIES_NAME.match(name) for name in series)


MEASURED = {"loudness", "dynamics", "silence", "timbre", "mfcc"}
"""Descriptors of what is counted or computed, by a definition, and not estimated."""


def test_beside_every_estimate_stands_its_confidence() -> None:
    for one in loaded():
        names = {field.name for field in one.fields}
        sure = {name for name in names if name.endswith("_confidence")}
        told = {f"{name.removesuffix('_measured')}_confidence" for name in names - sure}
        assert sure == (set() if one.name in MEASURED else told), one.name
        units = {field.name: field.description for field in one.fields if field.name in sure}
        assert all("0..1" in text for text in units.values()), units
    sound = heard(piece("C G Am F", bars=16), RATE)
    for one in loaded():
        found = one.describe(sound).scalars
        facts = {name for name in found if one.name not in MEASURED and "_conf" not in name}
        assert {f"{name.removesuffix('_measured')}_confidence" for name in facts} <= set(found)


def test_descriptors_are_what_their_lines_say_and_travel_to_workers() -> None:
    for one in loaded():
        assert isinstance(one, Descriptor) and one.version >= 1
        assert pickle.loads(pickle.dumps(one)).name == one.name  # noqa: S301 - our own
    assert [one.name for one in CORE] == [d.name for d in descriptions() if d.core]


def test_a_setting_names_descriptors() -> None:
    core = chosen("core")
    assert chosen("core,notes") == (*core, "notes")
    assert chosen("notes,loudness") == ("notes", "loudness")
    assert chosen("loudness,core") == ("loudness", *(n for n in core if n != "loudness"))
    assert load_all(["silence", "loudness"]) == (load("loudness"), load("silence"))
    with pytest.raises(InvalidInputError, match="loudness"):
        load_all(["nothing"])


@pytest.mark.skipif(importlib.util.find_spec("basic_pitch") is not None, reason="it is installed")
def test_without_its_model_note_density_says_what_to_install() -> None:
    with pytest.raises(PreconditionError, match="--no-deps basic-pitch") as missing:
        load("notes")
    assert missing.value.reason == "MODEL_MISSING"
