"""search and similar: every kind of query, alone and together, as JSON and as lines."""

from __future__ import annotations

import json

import pytest

from retrieval.encoders.perceptual import PerceptualEncoder
from tests.cli.conftest import TITLES

DIMS = PerceptualEncoder().space.dims


def titles(answer):
    return [hit["title"] for hit in answer["hits"]]


def test_shape_of_an_answer(run, music, ids):
    answer = run.json("search", "blue")
    assert set(answer) == {"hits", "spaces", "left_out", "took_ms"}
    assert answer["took_ms"] > 0
    [hit] = answer["hits"]
    names = {"track", "title", "artist", "paths", "payload"}
    assert set(hit) == {*names, "score", "fit", "weak", "segments"}
    # Six tracks are too few to say how well any fits.
    assert (hit["fit"], hit["weak"]) == (None, False)
    assert {"query": 0, "space": "lexical", "fit": None, "weak": False} in answer["spaces"]
    assert hit["track"] == ids[1]
    assert hit["title"] == "Blue Moon"
    assert hit["artist"] == "Ben"
    assert hit["paths"] == [str(music.path(1))]
    assert hit["payload"]["bpm"] == 100
    assert hit["payload"]["mood"] == "calm"
    assert hit["payload"]["paths"] == hit["paths"]


def test_words_need_no_quotes(run):
    assert titles(run.json("search", "black", "dog")) == ["Black Dog"]


def test_audio_finds_itself_with_the_moment(run, music):
    answer = run.json("search", "--audio", music.path(2), "--segments", 2)
    hit = answer["hits"][0]
    assert hit["title"] == "Green Fields"
    assert abs(hit["score"]) < 1e-3
    assert [set(segment) for segment in hit["segments"]] == [{"start", "end", "score"}] * 2
    assert {segment["start"] for segment in hit["segments"]} == {0.0, 10.0}


@pytest.mark.parametrize("name", ["id", "path", "title"])
def test_track_by_id_path_and_title(run, music, ids, name):
    reference = {"id": ids[3], "path": music.path(3), "title": TITLES[3]}[name]
    answer = run.json("search", "--track", reference)
    assert len(answer["hits"]) == len(TITLES) - 1
    assert ids[3] not in [hit["track"] for hit in answer["hits"]]
    assert answer["hits"] == run.json("similar", reference)["hits"]


def test_a_moment_of_a_track(run, ids):
    first = run.json("search", "--track", f"{ids[3]}@0-0:10", "-k", 1)["hits"][0]
    assert first["track"] == ids[3]
    assert first["segments"][0]["start"] == 0.0
    assert first["segments"][0]["score"] == pytest.approx(0.0, abs=1e-3)


@pytest.mark.parametrize("form", ["list", "object", "file", "commas"])
def test_vector(run, tmp_path, ids, form):
    payload = run.json("tracks", "show", ids[4])["tracks"][0]["payload"]
    values = [payload[dim] for dim in DIMS]
    file = tmp_path / "ten.json"
    file.write_text(json.dumps(values))
    text = {
        "list": json.dumps(values),
        "object": json.dumps(dict(reversed(list(zip(DIMS, values, strict=True))))),
        "file": file,
        "commas": ",".join(map(str, values)),
    }[form]
    assert run.json("search", "--vector", text)["hits"][0]["track"] == ids[4]


def test_weights_dims_and_scaling(run, ids):
    payload = {t["track"]: t["payload"] for t in run.json("tracks", "list")["tracks"]}
    values = [payload[ids[0]][dim] for dim in DIMS]
    answer = run.json(
        *("search", "--vector", json.dumps(values), "--dims", "VA", "--scaling", "raw"),
        *("--weights", "arousal=4"),
    )
    for hit in answer["hits"]:
        own = payload[hit["track"]]
        gap = 4 * (own["arousal"] - values[8]) ** 2 + (own["valence"] - values[9]) ** 2
        # The payload rounds to hundredths.
        assert -hit["score"] == pytest.approx(gap**0.5, abs=0.05)
    again = run.json(
        *("search", "--vector", json.dumps(values), "--dims", "arousal,valence"),
        *("--scaling", "raw", "--weights", '{"arousal": 4}'),
    )
    assert again["hits"] == answer["hits"]


def test_several_queries_are_fused(run, ids):
    answer = run.json("search", "blue moon", "--track", ids[0], "--weight", "text=10")
    assert titles(answer)[0] == "Blue Moon"
    assert answer["hits"][0]["score"] == pytest.approx(
        10 / 61 + 1 / (60 + _rank(run, ids[0], ids[1]))
    )


def _rank(run, query, wanted):
    return [h["track"] for h in run.json("similar", query)["hits"]].index(wanted) + 1


def test_fusion_by_score(run, ids):
    answer = run.json("search", "blue", "--track", ids[0], "--fusion", "score")
    assert 0.0 <= answer["hits"][-1]["score"] <= answer["hits"][0]["score"] <= 2.0


def test_space_for_any_kind(run, music, ids):
    assert titles(run.json("search", "blue", "--space", "lexical")) == ["Blue Moon"]
    answer = run.json("search", "--audio", music.path(1), "--space", "perceptual", "-k", 1)
    assert titles(answer) == ["Blue Moon"]
    both = ("--space", "lexical", "--space", "perceptual")
    combined = run.json("search", "blue", "--track", ids[0], *both)
    assert combined["hits"] == run.json("search", "blue", "--track", ids[0])["hits"]


def test_spaces_weigh_what_they_are_told(run, ids):
    combined = ("search", "blue", "--track", ids[0])
    plain, heavy = (
        run.json(*combined, "--space", f"lexical{weight}", "--space", "perceptual")["hits"]
        for weight in ("", "=4")
    )
    blue = _rank(run, ids[0], ids[1])
    assert titles({"hits": heavy})[0] == "Blue Moon"
    assert heavy[0]["score"] == pytest.approx(4 / 61 + 1 / (60 + blue))
    others = {hit["track"]: hit["score"] for hit in plain}
    assert all(hit["score"] == others[hit["track"]] for hit in heavy[1:])
    similar = ("similar", "Red River", "--space")
    assert run.json(*similar, "perceptual=3")["hits"] == run.json(*similar, "perceptual")["hits"]


@pytest.mark.parametrize(
    ("args", "code", "reason"),
    [
        (("search", "blue", "--space", "perceptual"), 2, "INVALID_REQUEST"),
        (("search", "blue", "--space", "clap"), 5, "SPACE_UNAVAILABLE"),
        (("search", "blue", "--track", "Red River", "--space", "clap"), 5, "SPACE_UNAVAILABLE"),
        (("search", "--vector", "[1,2]"), 2, "INVALID_VECTOR"),
        (("search", "--vector", "[1,NaN]"), 2, "INVALID_VECTOR"),
        (("search", "--vector", '{"warmth": 1}'), 2, "INVALID_VECTOR"),
        (("search", "--vector", "warm"), 2, "INVALID_VECTOR"),
        (("search", "--vector", "[true]"), 2, "INVALID_VECTOR"),
        (("search", "--vector", ",".join(["0.123456"] * 512)), 2, "INVALID_VECTOR"),
        (("search", "--track", "x" * 5000), 2, "INVALID_FILTER"),
        (("search", "--vector", str([0] * 10), "--dims", "loud"), 2, "INVALID_REQUEST"),
        (("search", "--vector", str([0] * 10), "--weights", "x"), 2, "INVALID_REQUEST"),
        (("search", "--vector", str([0] * 10), "--weights", "warmth=-1"), 2, "INVALID_REQUEST"),
        (("search", "blue", "--dims", "VA"), 2, "INVALID_REQUEST"),
        (("search", "blue", "--weight", "audio=2"), 2, "INVALID_REQUEST"),
        (("search", "blue", "--weight", "text"), 2, "INVALID_REQUEST"),
        (("search", "blue", "--weight", "text=0"), 2, "INVALID_REQUEST"),
        (("search", "blue", "--space", "lexical=much"), 2, "INVALID_REQUEST"),
        (("search", "blue", "--space", "lexical=0"), 2, "INVALID_REQUEST"),
        (("search", "blue", "--space", "clap=2"), 5, "SPACE_UNAVAILABLE"),
        (("similar", "Red River", "--space", "perceptual=nan"), 2, "INVALID_REQUEST"),
        (("search", "?!"), 2, "INVALID_REQUEST"),
        (("search",), 2, "INVALID_REQUEST"),
        (("search", "blue", "-k", "0"), 2, "INVALID_REQUEST"),
        (("search", "--audio", "/nowhere.wav"), 2, "INVALID_REQUEST"),
        (("search", "--audio", __file__), 2, "AUDIO_UNSUPPORTED"),
        (("search", "--track", "nobody"), 4, "TRACK_NOT_FOUND"),
        (("search", "--track", "Red River@100-200"), 4, "SEGMENT_NOT_FOUND"),
        (("search", "blue", "--filter", "bpm >="), 2, "INVALID_FILTER"),
        (("search", "blue", "--filter", "colour = 1"), 2, "INVALID_FILTER"),
        (("similar", "f" * 32), 4, "TRACK_NOT_FOUND"),
        (("similar",), 2, "INVALID_REQUEST"),
        (("similar", "Red River", "--space", "lexical"), 2, "INVALID_REQUEST"),
    ],
)
def test_errors(run, args, code, reason):
    result = run(*args, "--json")
    assert result.code == code, result.err
    assert result.out == ""
    assert set(result.error) == {"reason", "message", "metadata"}
    assert result.error["reason"] == reason


def test_errors_for_people(run):
    result = run("search", "blue", "--filter", "genre = jazz")
    assert result.code == 2
    assert result.err == (
        "segue: filter: expected a number, a string in quotes, true or false; "
        'put words in quotes: "jazz", at column 9\n'
        "  genre = jazz\n"
        "          ^\n"
    )


def test_filter(run, music):
    audio = ("search", "--audio", music.path(0))
    jazz = run.json(*audio, "--filter", 'genre = "jazz"')
    assert sorted(titles(jazz)) == ["Blue Moon", "Grey Day"]
    fast = run.json(*audio, "--filter", 'bpm in 110..120 and not title ~ "noise"')
    assert titles(fast) == ["Green Fields"]
    assert len(run.json(*audio, "--filter", 'mood = "calm"')["hits"]) == len(TITLES)
    halves = run.json(*audio, "--filter", "bpm ~ 45 and bpm <= 90")
    assert titles(halves) == ["Red River"]


def test_pages(run, music):
    audio = ("search", "--audio", music.path(0))
    whole = run.json(*audio)["hits"]
    parts = [h for at in range(0, 6, 2) for h in run.json(*audio, "-k", 2, "--offset", at)["hits"]]
    assert parts == whole


def test_no_segments(run, music):
    answer = run.json("search", "--audio", music.path(0), "--segments", 0)
    assert all(hit["segments"] == [] for hit in answer["hits"])


def test_similar_with_negatives(run, ids):
    answer = run.json("similar", "Red River", "Blue Moon", "--not", "Black Dog")
    assert {hit["track"] for hit in answer["hits"]} == {ids[2], ids[3], ids[5]}


def test_an_ambiguous_title_lists_the_ids(tmp_path):
    from tests.cli.conftest import Segue
    from tests.signals import encode, song

    (tmp_path / "music").mkdir()
    for number in range(2):
        (tmp_path / "music" / f"{number}.wav").write_bytes(encode(song(number, 1.2)))
    (tmp_path / "m.json").write_text(
        json.dumps([{"path": f"{n}.wav", "title": "Same"} for n in range(2)])
    )
    own = Segue("--data", tmp_path / "data")
    done = own("index", tmp_path / "music", "--metadata", tmp_path / "m.json", "--workers", 1)
    assert done.code == 0, done.err
    result = own("similar", "Same", "--json")
    assert result.code == 2
    listed = result.error["metadata"]["tracks"].split(", ")
    assert sorted(listed) == sorted(t["track"] for t in own.json("tracks", "list")["tracks"])


def test_lines_for_pipes(run, music, ids):
    [line] = run("search", "blue").rows
    score, *rest = line
    assert float(score) > 0
    assert rest == ["Blue Moon", "Ben", "", str(music.path(1)), ids[1]]
    first = run("search", "--audio", music.path(3), "-k", 1, "--segments", 1).rows[0]
    assert first[1] == "White Noise [live]"
    assert first[3] in ("0:00–0:10", "0:10–0:12")
    assert run("search", "zebra").out == ""


def test_a_sound_file_beyond_the_limit_is_not_read(run, tmp_path):
    huge = tmp_path / "huge.wav"
    with huge.open("wb") as file:
        file.truncate(10**12)
    result = run("search", "--audio", huge, "--json")
    assert (result.code, result.error["reason"]) == (2, "AUDIO_TOO_LARGE")
