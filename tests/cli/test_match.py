"""``segue match``: the originating command line on a plain table, and the table as a library."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import numpy as np
import pytest

from retrieval.encoders.perceptual_dims import DIMS
from tests.cli.conftest import Segue

PUBLISHED = "-5.5244,-3.5814,-8.4680,-0.1249,-1.5983,20.7980,52.0154,77.2815,42.1747,-13.7280"
DISTANCES = (0.2874, 1.1457, 1.1841)
QUERY = np.array([float(value) for value in PUBLISHED.split(",")])


def write(path: Path, names: list[str], values: np.ndarray, header: tuple[str, ...] | None) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        rows = zip(names, values, strict=True)
        if header is not None:
            writer.writerow(header)
        writer.writerows([name, *map(repr, row.tolist())] for name, row in rows)
    return path


@pytest.fixture(scope="module")
def rows() -> tuple[list[str], np.ndarray]:
    """Sixty pieces, three of which lie at the published distances in arousal and valence."""
    rng = np.random.default_rng(4)
    values = QUERY + rng.normal(size=(60, 10)) * 6.0
    apart = values[:, 8:] - QUERY[8:]
    values[:, 8:] = QUERY[8:] + apart * (1.0 + 3.0 / np.linalg.norm(apart, axis=1))[:, None]
    for row, distance, angle in zip((41, 7, 23), DISTANCES, (0.4, 2.2, 4.0), strict=True):
        values[row, 8:] = QUERY[8:] + distance * np.array([math.cos(angle), math.sin(angle)])
    return [f"Piece {n:02d}.wav" for n in range(60)], values


@pytest.fixture(scope="module")
def table(tmp_path_factory, rows) -> Path:
    return write(tmp_path_factory.mktemp("table") / "audio_features.csv", *rows, ("name", *DIMS))


@pytest.fixture(scope="module")
def match(table: Path):
    run = Segue()
    return lambda *args: run.json("match", "--audio-csv", table, *args)


def test_the_published_example(match) -> None:
    answer = match("--pred", PUBLISHED, "--dims", "VA", "-k", 3)
    assert set(answer) == {"hits"}
    assert [set(hit) for hit in answer["hits"]] == [{"name", "index", "distance"}] * 3
    assert [round(hit["distance"], 4) for hit in answer["hits"]] == list(DISTANCES)
    assert [hit["index"] for hit in answer["hits"]] == [41, 7, 23]
    assert [hit["name"] for hit in answer["hits"]] == [
        "Piece 41.wav",
        "Piece 07.wav",
        "Piece 23.wav",
    ]


def test_metrics_weights_and_scaling_are_those_of_plain_numpy(match, rows) -> None:
    _, values = rows
    weights = np.ones(10)
    weights[[0, 9]] = 3.0, 0.5
    asked = ("--pred", PUBLISHED, "--weights", "richness=3,valence=0.5")
    apart = values - QUERY
    cases = {
        (): np.sqrt(np.square(apart) @ weights),
        ("--scaling", "standardised"): np.sqrt(np.square(apart / values.std(axis=0)) @ weights),
        ("--metric", "cosine"): 1.0
        - values
        @ (weights * QUERY)
        / np.sqrt(np.square(values) @ weights * (np.square(QUERY) @ weights)),
    }
    for more, distances in cases.items():
        hits = match(*asked, *more)["hits"]
        order = np.argsort(distances)[:5]
        assert [hit["index"] for hit in hits] == order.tolist(), more
        assert [hit["distance"] for hit in hits] == pytest.approx(distances[order].tolist())


def test_lines_for_pipes(table: Path) -> None:
    done = Segue()("match", "--audio-csv", table, "--pred", PUBLISHED, "--dims", "VA", "-k", 1)
    assert done.rows == [["0.2874", "Piece 41.wav", "41"]]


def test_predictions_by_name_and_from_a_file(match, tmp_path: Path) -> None:
    by_name = dict(zip(DIMS, QUERY.tolist(), strict=True))
    file = tmp_path / "ten.json"
    file.write_text(json.dumps(dict(reversed(by_name.items()))))
    expected = match("--pred", PUBLISHED)
    assert match("--pred", json.dumps(by_name)) == expected
    assert match("--pred", file) == expected


@pytest.mark.parametrize(
    "header",
    [
        None,
        ("id", *(f"audio_{dim}".upper() for dim in DIMS)),
        ("曲名", *(f"维度{n}" for n in range(10))),
    ],
)
def test_other_headers(match, rows, tmp_path: Path, header) -> None:
    path = write(tmp_path / "t.csv", *rows, header)
    found = Segue().json("match", "--audio-csv", path, "--pred", PUBLISHED)
    assert found == match("--pred", PUBLISHED)


def test_columns_in_any_order_and_other_delimiters(match, rows, tmp_path: Path) -> None:
    names, values = rows
    lines = [";".join(["name", "artist", *reversed(DIMS)])]
    for name, row in zip(names, values, strict=True):
        lines.append(";".join([f'"{name}"', "nobody", *map(repr, reversed(row.tolist()))]))
    path = tmp_path / "t.csv"
    path.write_text("\ufeff" + "\n".join(lines) + "\n\n")
    found = Segue().json("match", "--audio-csv", path, "--pred", PUBLISHED)
    assert found == match("--pred", PUBLISHED)


HEAD = ",".join(("name", *DIMS))
ROW = "a," + ",".join(["1"] * 10)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "empty"),
        (HEAD, "no row"),
        ("a,1,2", "columns"),
        (f"{HEAD.replace('warmth', 'coldness')}\n{ROW}", "warmth"),
        (f"{HEAD}\n{ROW}\n{ROW[:-1]}nan", "line 3, valence"),
        (f"{HEAD}\na,1,2,3", "line 2, warmth"),
        (f"{HEAD}\n{ROW[:-1]}x", "line 2, valence"),
    ],
)
def test_tables_that_are_none_say_where(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(text)
    done = Segue()("match", "--audio-csv", path, "--pred", PUBLISHED, "--json")
    assert done.code == 2
    assert done.error["reason"] == "FEATURES_UNREADABLE"
    assert problem in done.error["message"]
    assert str(path) in done.error["message"]


def test_predictions_that_are_none(table: Path) -> None:
    for text in ("1,2,3", '{"warmth": 1}', "x", "1,2,3,4,5,6,7,8,9,NaN"):
        done = Segue()("match", "--audio-csv", table, "--pred", text, "--json")
        assert (done.code, done.error["reason"]) == (2, "INVALID_VECTOR"), text
        assert "--pred" in done.error["message"]
    done = Segue()("match", "--audio-csv", table, "--pred", PUBLISHED, "--dims", "x", "--json")
    assert done.code == 2
    assert "--dims" in done.error["message"]


def test_the_table_as_a_library(table: Path, match, rows, tmp_path: Path, music) -> None:
    names, values = rows
    cues = Segue("--data", tmp_path, "--library", "cues")
    first = cues.json("index", "--features", table)["features"]
    assert (first["found"], first["added"], first["space"]) == (60, 60, "perceptual")
    again = cues.json("index", "--features", table)["features"]
    assert (again["unchanged"], again["revision"]) == (60, first["revision"])
    for more in (("--dims", "VA"), ("--weights", "warmth=2"), ("--metric", "cosine")):
        found = cues.json("score", "--pred", PUBLISHED, "--scaling", "raw", "-k", 3, *more)
        wanted = match("--pred", PUBLISHED, "-k", 3, *more)
        assert [hit["title"] for hit in found["hits"]] == [hit["name"] for hit in wanted["hits"]]
        assert [hit["distance"] for hit in found["hits"]] == pytest.approx(
            [hit["distance"] for hit in wanted["hits"]], abs=1e-4
        )
    # Another table, or sound, is another feature set.
    other = write(tmp_path / "other.csv", names[:30], values[:30] + 0.5, ("name", *DIMS))
    refused = cues("index", "--features", other, "--json")
    assert (refused.code, refused.error["reason"]) == (5, "REVISION_MISMATCH")
    refused = cues("index", music.folder, "--json")
    assert (refused.code, refused.error["reason"]) == (5, "REVISION_MISMATCH")
    taken = cues.json(*("index", "--features", other, "--revision", first["revision"], "--prune"))[
        "features"
    ]
    assert (taken["updated"], taken["removed"], taken["found"]) == (30, 30, 30)
    assert cues("tracks", "count").out.strip() == "30"
    twice = write(tmp_path / "twice.csv", ["a", "a"], values[:2], ("name", *DIMS))
    done = cues("index", "--features", twice, "--json")
    assert done.code == 2
    assert "line 3" in done.error["message"]


def test_a_table_does_not_mix_with_sound(table: Path, run) -> None:
    done = run("index", "--features", table, "--json")
    assert (done.code, done.error["reason"]) == (5, "REVISION_MISMATCH")
    assert "--library" in done.error["message"]
    assert run("index", "--features", table, "--window", "1").code == 2
