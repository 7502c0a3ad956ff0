"""``segue describe``: a table, one flat object, a picture; bad files one line each."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

from indexer.synth.catalogue import Tags
from indexer.synth.files import tag
from tests.cli.conftest import Segue
from tests.signals import encode, song, to_int16

TAGS = Tags("Red River", "Ada", "", "", "", 0, 0)


@pytest.fixture(scope="module")
def wav(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("describe") / "river [1].wav"
    path.write_bytes(tag(encode(to_int16(song(1, 4.0)), 44_100, "wav"), "wav", TAGS))
    return path


def test_json_is_one_flat_object_with_null_for_what_is_not_known(wav: Path) -> None:
    facts = Segue().json("describe", wav)
    assert facts["file"] == str(wav) and facts["title"] == "Red River"
    assert facts["duration"] == 4.0 and facts["format"] == "wav"
    assert -40 < facts["loudness_lufs"] < 0
    assert facts["loudness_range"] is not None and facts["section_count"] is None
    assert {"key", "mode", "bpm", "camelot", "warmth"} <= set(facts)
    assert not any(isinstance(value, dict) for value in facts.values())


def test_people_get_a_table_and_a_bad_file_is_one_line(wav: Path, tmp_path: Path) -> None:
    rows = dict(row[:2] for row in Segue()("describe", wav).rows if len(row) == 2)
    assert rows["title"] == "Red River" and float(rows["loudness_lufs"]) < 0
    assert rows["loudness (series)"] == "40 values"
    bad = tmp_path / "bad.wav"
    bad.write_bytes(b"RIFF nothing")
    result = Segue()("describe", bad, wav, "--json")
    assert result.code == 3 and "bad.wav" in result.err
    assert [json.loads(line)["title"] for line in result.out.splitlines()] == ["Red River"]
    alone = Segue()("describe", bad, "--json")
    assert (alone.code, alone.error["reason"]) == (2, "AUDIO_UNSUPPORTED")


def test_a_picture(wav: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    from matplotlib.image import imread

    target = tmp_path / "song.png"
    assert Segue()("describe", wav, "--plot", target).code == 0
    pixels = imread(target)
    assert pixels.shape[:2] == (900, 1600)
    assert all(len(np.unique(part[..., 0])) > 10 for part in np.array_split(pixels, 3))
    assert Segue()("describe", wav, "--plot", tmp_path / "no" / "x.png").code == 5
    assert Segue()("describe", wav, "--plot", tmp_path / "x.nothing").code == 2
    assert Segue()("describe", wav, wav, "--plot", target).code == 2


def test_without_matplotlib_the_extra_is_named(wav: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "matplotlib" else find(name)
    )
    result = Segue()("describe", wav, "--plot", "x.png", "--json")
    assert (result.code, result.error["reason"]) == (5, "MODEL_MISSING")
    assert "segue[plot]" in result.error["message"]


def test_series_of_a_track_are_listed_and_printed(run: Segue, ids: list[str]) -> None:
    track = ids[0]
    listed = {one["name"]: one for one in run.json("tracks", "series", track)["series"]}
    assert listed["loudness"]["unit"] == "LUFS" and listed["loudness"]["rate"] == 10.0
    values = run.json("tracks", "series", track, "loudness")["values"]
    assert len(values) == listed["loudness"]["count"]
    lines = run("tracks", "series", track, "loudness").rows
    assert [float(cell) for cell in lines[1]] == pytest.approx([0.1, values[1]], rel=1e-3)
    missing = run("tracks", "series", track, "nothing", "--json")
    assert (missing.code, missing.error["reason"]) == (4, "SERIES_NOT_FOUND")
