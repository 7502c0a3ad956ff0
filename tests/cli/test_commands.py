"""index, tracks, spaces, copy and eval on the embedded store."""

from __future__ import annotations

import csv
import json

import pytest

from tests.cli.conftest import TITLES, Segue
from tests.signals import encode, song, to_int16

SOUNDS = [to_int16(song(seed, 1.2)) for seed in (1, 2)]


@pytest.fixture
def own(tmp_path):
    """An own library of two tracks."""
    folder = tmp_path / "music"
    folder.mkdir()
    for number in range(2):
        (folder / f"{number}.wav").write_bytes(encode(SOUNDS[number]))
    run = Segue("--data", tmp_path / "data")
    assert run("index", folder, "--workers", 1).code == 0
    return run, folder


def test_index_reports_what_it_did(own):
    """One folder as it changes: nothing new, a second copy, bad files, files gone."""
    run, folder = own
    report = run.json("index", folder, "--workers", 1)
    assert set(report) == {
        *("found", "indexed", "unchanged", "updated"),
        *("removed", "duplicates", "failed", "seconds"),
        *("audio_seconds", "speed", "encoder_seconds", "encoder_share"),
    }
    assert (report["found"], report["unchanged"], report["indexed"]) == (2, 2, 0)

    (folder / "copy.flac").write_bytes(encode(SOUNDS[0], format="flac"))
    report = run.json("index", folder, "--workers", 1)
    assert (report["duplicates"], report["indexed"]) == (1, 0)
    assert run.json("tracks", "count")["count"] == 2

    (folder / "broken.mp3").write_text("no sound")
    result = run("index", folder, folder / "nowhere", "--workers", 1)
    assert result.code == 3
    assert "broken.mp3" in result.err
    assert "[AUDIO_UNSUPPORTED]" in result.err
    assert "2 failed" in result.out
    result = run("index", folder, folder / "nowhere", "--workers", 1, "--json")
    assert result.code == 3
    failures = {failure["path"]: failure for failure in result.json["failed"]}
    assert all(set(failure) == {"path", "reason", "message"} for failure in failures.values())
    assert failures[str(folder / "broken.mp3")]["reason"] == "AUDIO_UNSUPPORTED"
    assert failures[str(folder / "nowhere")]["reason"] == "PATH_NOT_FOUND"

    (folder / "broken.mp3").unlink()
    (folder / "1.wav").unlink()
    result = run("index", folder, "--workers", 1, "--quiet")
    assert (result.code, result.out, result.err) == (0, "", "")
    assert run.json("tracks", "count")["count"] == 2
    assert run.json("index", folder, "--prune", "--workers", 1)["removed"] == 1
    assert run.json("tracks", "count")["count"] == 1


class TestTracks:
    def test_list(self, run, music, ids):
        rows = run("tracks", "list").rows
        assert {row[0] for row in rows} == set(TITLES)
        assert {row[-1] for row in rows} == set(ids)
        assert {row[3] for row in rows} == {"0:12"}
        assert len(run("tracks", "list", "-k", 2).rows) == 2
        jazz = run("tracks", "list", "--all", "--filter", 'genre = "jazz"').rows
        assert {row[0] for row in jazz} == {"Blue Moon", "Grey Day"}

    def test_show(self, run, music, ids):
        shown = dict(run("tracks", "show", music.path(1)).rows)
        assert shown["track"] == ids[1]
        assert shown["title"] == "Blue Moon"
        assert shown["mood"] == "calm"
        assert len(run.json("tracks", "show", ids[1], "Black Dog")["tracks"]) == 2

    def test_show_unknown(self, run):
        assert run("tracks", "show", "nobody").code == 4

    def test_count(self, run):
        assert run("tracks", "count").out == "6\n"
        assert run.json("tracks", "count", "--filter", "bpm > 120")["count"] == 2

    def test_facets(self, run):
        assert run("tracks", "facets", "artist").rows == [["Ada", "3"], ["Ben", "2"], ["Cleo", "1"]]
        assert run.json("tracks", "facets", "genre", "-k", 1)["facets"][0]["count"] == 2
        assert run("tracks", "facets", "bpm").code == 2

    def test_delete(self, own):
        run, folder = own
        first = run.json("tracks", "list")["tracks"][0]["track"]
        refused = run("tracks", "delete", first, input="n\n")
        assert refused.code == 130
        assert run.json("tracks", "count")["count"] == 2
        assert run("tracks", "delete", first, input="y\n").out == "deleted 1\n"
        assert run.json("tracks", "count")["count"] == 1
        assert run("tracks", "delete", "--filter", "duration > 0", "--yes").code == 0
        assert run.json("tracks", "count")["count"] == 0
        assert run.json("index", folder, "--workers", 1)["indexed"] == 2

    def test_delete_needs_to_know_what(self, run):
        assert run("tracks", "delete").code == 2
        assert run("tracks", "delete", "x", "--filter", "bpm = 1").code == 2


class TestSpaces:
    def test_list(self, run):
        found = {space["name"]: space for space in run.json("spaces")["spaces"]}
        assert set(found) == {"lexical", "perceptual"}
        assert all(space["tracks"] == 6 and space["encoder"] for space in found.values())
        assert found["perceptual"]["query_modalities"] == ["audio"]
        assert found["perceptual"]["statistics"]["count"] == 0
        assert len(found["perceptual"]["dims"]) == 10
        assert [row[0] for row in run("spaces").rows] == ["lexical", "perceptual"]

    def test_refit(self, own):
        run, _ = own
        found = run.json("spaces", "--refit", "perceptual")["spaces"]
        assert found[1]["statistics"]["count"] == 2
        assert run("spaces", "--refit", "lexical").code == 5
        assert run("spaces", "--refit", "nothing").code == 5


class TestCopy:
    def test_to_another_folder_and_name(self, run, music, tmp_path):
        target = tmp_path / "backup"
        told = run.json("copy", "--to", target, "--to-library", "archive")
        assert told["tracks"] == len(TITLES)
        there = Segue("--data", target, "--library", "archive")
        audio = ("search", "--audio", music.path(1))
        mine, theirs = run.json(*audio)["hits"], there.json(*audio)["hits"]
        assert mine == theirs
        again = there("copy", "--from", music.data, "--to", target, "--library", "music")
        assert again.code == 0
        assert "Copied 6 tracks" in again.out

    def test_refuses(self, run, music, tmp_path):
        assert run("copy", "--to", music.data).code == 2
        assert run("copy", "--from", tmp_path / "none", "--to", tmp_path / "x").code == 5
        assert not (tmp_path / "none").exists()
        assert run("copy").code == 2


class TestEval:
    @pytest.fixture
    def rows(self, tmp_path):
        def write(*rows, header=("query", "relevant")):
            path = tmp_path / "rows.csv"
            with path.open("w", newline="", encoding="utf-8-sig") as file:
                csv.writer(file).writerows([header, *rows])
            return path

        return write

    def test_text(self, run, rows, ids, music):
        path = rows(
            ("blue moon", ids[1]),
            ("river", str(music.path(0))),
            ("ada", "Red River; Green Fields"),
            ("ada", "Grey Day"),
            ("xylophone", "Black Dog"),
        )
        report = run.json("eval", path)["spaces"]
        assert set(report) == {"lexical"}
        found = report["lexical"]
        assert (found["queries"], found["pool"]) == (4, 6)
        assert set(found) - {"queries", "pool"} == {
            *("recall@1", "recall@3", "recall@5", "recall@10", "mrr", "ndcg@10", "median_rank"),
        }
        assert found["recall@1"]["value"] == pytest.approx((1 + 1 + 1 / 3 + 0) / 4)
        assert found["recall@3"]["value"] == pytest.approx(3 / 4)
        assert found["mrr"]["value"] == pytest.approx(3 / 4)
        assert found["median_rank"]["value"] == 1.0
        assert found["recall@1"]["low"] <= found["recall@1"]["value"] <= found["recall@1"]["high"]
        assert run.json("eval", path)["spaces"] == report

    def test_audio(self, run, rows, music):
        path = rows(*[(music.path(n), TITLES[n]) for n in range(6)])
        found = run.json("eval", path, "--kind", "audio")["spaces"]["perceptual"]
        assert found["recall@1"]["value"] == 1.0
        assert found["recall@1"]["chance"] == pytest.approx(1 / 6)

    def test_tracks_are_not_in_their_own_pool(self, run, rows):
        path = rows(("Red River", "Blue Moon"))
        assert run.json("eval", path, "--kind", "track")["spaces"]["perceptual"]["pool"] == 5

    def test_table(self, run, rows, ids):
        lines = run("eval", rows(("blue moon", ids[1]))).rows
        assert [line[0] for line in lines] == ["lexical", "chance"]
        assert lines[0][1] == "1.000 [1.000, 1.000]"
        assert lines[1][1] == "0.167"

    def test_unknown_relevant(self, run, rows, ids):
        path = rows(("blue", ids[1]), ("red", "nobody"))
        result = run("eval", path, "--json")
        assert result.code == 4
        assert result.error["metadata"]["line"] == "3"
        kept = run.json("eval", path, "--skip-missing")["spaces"]["lexical"]
        assert kept["queries"] == 1

    @pytest.mark.parametrize(
        ("content", "says"),
        [
            ("query,tracks\na,b\n", "missing: relevant"),
            ("query,relevant\n", "no queries"),
            ("query,relevant\nred,\n", "line 2"),
            ("", "columns"),
            (b"query,relevant\n\xff\xfe,x\n", "UTF-8"),
        ],
    )
    def test_unusable_files(self, run, tmp_path, content, says):
        path = tmp_path / "rows.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        result = run("eval", path)
        assert result.code == 2
        assert says in result.err


def test_global_options_stand_before_and_after(run, music, monkeypatch):
    bare = Segue()
    expected = run.json("tracks", "count")
    assert bare.json("tracks", "count", "--data", music.data) == expected
    assert bare.json("tracks", "--data", music.data, "count") == expected
    assert bare.json("--json", "tracks", "count", "--data", music.data) == expected
    monkeypatch.setenv("SEGUE_DATA_DIR", str(music.data))
    assert bare.json("tracks", "count") == expected


def test_json_errors_come_in_one_line(tmp_path):
    result = Segue("--data", tmp_path / "none")("search", "x", "--json")
    assert result.code == 5
    assert json.loads(result.err)["error"]["reason"] == "LIBRARY_MISSING"
    assert not (tmp_path / "none").exists()


def test_bad_settings_are_named(tmp_path, monkeypatch):
    result = Segue("--library", "No Name")("tracks", "count")
    assert result.code == 2
    assert "SEGUE_LIBRARY" in result.err
    monkeypatch.setenv("SEGUE_MAX_UPLOAD_BYTES", "many")
    result = Segue("--data", tmp_path)("tracks", "count", "--json")
    assert result.code == 2
    assert result.error["metadata"] == {"setting": "max_upload_bytes"}


def test_a_locked_library_says_what_to_do(run, music):
    from retrieval.settings import Settings
    from retrieval.store import open_store

    store = open_store(Settings(data_dir=music.data))
    try:
        result = run("search", "blue")
    finally:
        store.close()
    assert result.code == 6
    assert "--address" in result.err


def test_unknown_commands_get_a_hint():
    result = Segue()("serch", "x")
    assert result.code == 2
    assert "did you mean 'search'" in result.err
    assert Segue()("nonsense").code == 2


def test_a_defect_is_70_and_shows_itself_only_when_asked(run, monkeypatch):
    from retrieval.search import LocalLibrary

    def broken(*_):
        raise ZeroDivisionError("oh")

    monkeypatch.setattr(LocalLibrary, "search", broken)
    result = run("search", "blue")
    assert result.code == 70
    assert "Traceback" not in result.err
    assert "ZeroDivisionError" in result.err
    assert "Traceback" in run("-vv", "search", "blue").err
    assert run("search", "blue", "--json").error["reason"] == "INTERNAL"
