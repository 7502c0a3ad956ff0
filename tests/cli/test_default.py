"""What users get who set nothing: words find sounds, and older libraries go on working."""

from __future__ import annotations

import pytest

from retrieval.cli.child_service import ChildService
from retrieval.settings import DEFAULT_ENCODERS
from tests.cli.conftest import FEW, TITLES, Segue, make_music
from tests.cli.test_process import on_terminal

DEFAULT = {"SEGUE_ENCODERS": DEFAULT_ENCODERS}
ASKED = "music with drums"


@pytest.fixture(scope="module")
def older(tmp_path_factory):
    """A library that was made when words were compared with words only."""
    root = tmp_path_factory.mktemp("older")
    made = make_music(root)
    told = Segue("--data", made.data).json(
        *("index", made.folder, "--metadata", root / "catalogue.csv", "--workers", 2)
    )
    assert told["indexed"] == len(TITLES)
    return made


def titles(answer):
    return [hit["title"] for hit in answer["hits"]]


def test_an_older_library_learns_to_hear(older):
    run = Segue("--data", older.data, settings=DEFAULT)
    assert titles(run.json("search", "blue moon")) == ["Blue Moon"]
    assert run.json("search", ASKED)["hits"] == []
    code, seen = on_terminal("search", "blue", "--data", older.data, columns=200, **DEFAULT)
    assert code == 0
    assert "index it again" in seen

    told = run.json("index", older.folder, "--workers", 2)
    assert (told["indexed"], told["updated"]) == (0, len(TITLES))
    spaces = {space["name"]: space["tracks"] for space in run.json("spaces")["spaces"]}
    assert spaces == dict.fromkeys(("ear", "lexical", "perceptual"), len(TITLES))
    _, seen = on_terminal("search", "blue", "--data", older.data, columns=200, **DEFAULT)
    assert "index it again" not in seen

    # By meaning every track has a place; a name finds what bears it, and nothing else.
    assert sorted(titles(run.json("search", ASKED))) == sorted(TITLES)
    assert titles(run.json("search", "Blue Moon"))[0] == "Blue Moon"
    assert run.json("search", "Coltrane")["hits"] == []
    found = run.json("search", "--audio", older.path(1), "-k", 1)
    assert titles(found) == ["Blue Moon"]
    similar = run.json("similar", "Blue Moon", "--space", "ear")
    assert len(similar["hits"]) == len(TITLES) - 1

    # What was not to be heard again is not.
    told = run.json("index", older.folder)
    assert (told["indexed"], told["updated"]) == (0, 0)
    few = Segue("--data", older.data, settings=FEW)
    assert titles(few.json("search", "blue")) == ["Blue Moon"]

    with ChildService(older.data, "music") as service:
        remote = Segue("--address", service.address)
        assert sorted(titles(remote.json("search", ASKED))) == sorted(TITLES)
        hits = remote.json("search", ASKED, "--space", "ear", "-k", 2)["hits"]
        assert all(hit["segments"] for hit in hits)
