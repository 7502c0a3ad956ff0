"""What users get who set nothing: words find sounds, and older libraries go on working."""

from __future__ import annotations

import shutil

from retrieval.cli.asking import is_deaf
from retrieval.cli.child_service import ChildService
from retrieval.client import Client
from retrieval.settings import DEFAULT_ENCODERS
from tests.cli.conftest import TITLES, Music, Segue
from tests.cli.test_process import on_terminal

DEFAULT = {"SEGUE_ENCODERS": DEFAULT_ENCODERS}
ASKED = "music with drums"


def titles(answer):
    return [hit["title"] for hit in answer["hits"]]


def test_an_older_library_learns_to_hear(music, tmp_path):
    # Made when words were compared with words only.
    made = Music(music.folder, tmp_path / "data")
    shutil.copytree(music.data, made.data)
    catalogue = music.folder.parent / "catalogue.csv"
    index = ("index", made.folder, "--metadata", catalogue, "--workers", 1)
    code, seen = on_terminal("search", "blue", "--data", made.data, columns=200, **DEFAULT)
    assert code == 0
    assert "Blue Moon" in seen
    assert "1 hits" in seen
    assert "index it again" in seen

    told = Segue("--data", made.data, settings=DEFAULT).json(*index)
    assert (told["indexed"], told["updated"]) == (0, len(TITLES))
    with ChildService(made.data, "music") as service:
        run = Segue("--address", service.address)
        with Client(service.address) as client:
            assert not is_deaf(client.info())
        spaces = {space["name"]: space["tracks"] for space in run.json("spaces")["spaces"]}
        assert spaces == dict.fromkeys(("ear", "lexical", "perceptual"), len(TITLES))

        # By meaning every track has a place; a name finds what bears it, and nothing else.
        assert sorted(titles(run.json("search", ASKED))) == sorted(TITLES)
        assert titles(run.json("search", "Blue Moon"))[0] == "Blue Moon"
        assert run.json("search", "Coltrane")["hits"] == []
        hits = run.json("search", ASKED, "--space", "ear", "-k", 2)["hits"]
        assert all(hit["segments"] for hit in hits)
        assert titles(run.json("search", "--audio", made.path(1), "-k", 1)) == ["Blue Moon"]
        similar = run.json("similar", "Blue Moon", "--space", "ear")
        assert len(similar["hits"]) == len(TITLES) - 1
