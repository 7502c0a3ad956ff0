from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.columns import Cell, CellError, infer_type, read_cell
from indexer.scan import FoundFile
from indexer.sidecar import Sidecar, read_sidecar
from retrieval.core.errors import InvalidInputError
from retrieval.core.payload import STANDARD_FIELDS, Field, FieldType, check_payload, fits

KNOWN = {field.name: field for field in STANDARD_FIELDS}
ROOT = "/music"
FILES = {
    path: FoundFile(path, ROOT, 1, 1)
    for path in ("/music/Jazz/a.flac", "/music/Jazz/b.flac", "/music/Rock/b.flac", "/music/é.mp3")
}


def read(tmp_path: Path, content: str | bytes, name: str = "m.csv", **known: Field) -> Sidecar:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_sidecar(path, FILES, [ROOT], KNOWN | known)


def notes(sidecar: Sidecar) -> list[str]:
    return [note.message for note in sidecar.notes]


def test_types_are_inferred_per_column(tmp_path: Path) -> None:
    sidecar = read(
        tmp_path,
        "path,plays,score,live,released,mood,notes,code,nothing\n"
        "Jazz/a.flac,3,1,yes,2001-05-06,calm,played at night,007,\n"
        "Jazz/b.flac,-12,2.5,FALSE,2002-05-06T07:08:09+02:00,wild,loud,12,\n",
    )
    assert notes(sidecar) == []
    assert {field.name: field.type for field in sidecar.fields} == {
        "plays": FieldType.INTEGER,
        "score": FieldType.FLOAT,
        "live": FieldType.BOOLEAN,
        "released": FieldType.DATETIME,
        "mood": FieldType.KEYWORD,
        "notes": FieldType.TEXT,
        "code": FieldType.KEYWORD,
        "nothing": FieldType.KEYWORD,
    }
    assert sidecar.values == {
        "/music/Jazz/a.flac": {
            "plays": 3, "score": 1.0, "live": True, "released": "2001-05-06T00:00:00+00:00",
            "mood": "calm", "notes": "played at night", "code": "007",
        },
        "/music/Jazz/b.flac": {
            "plays": -12, "score": 2.5, "live": False, "released": "2002-05-06T05:08:09+00:00",
            "mood": "wild", "notes": "loud", "code": "12",
        },
    }  # fmt: skip


def test_types_can_be_declared(tmp_path: Path) -> None:
    sidecar = read(tmp_path, "file,rank:float,code:keyword,Year:int\nJazz/a.flac,3,12,1999\n")
    assert sidecar.values["/music/Jazz/a.flac"] == {"rank": 3.0, "code": "12", "year": 1999}
    assert [(f.name, f.type) for f in sidecar.fields] == [
        ("rank", FieldType.FLOAT),
        ("code", FieldType.KEYWORD),
    ]


def test_types_the_library_has_are_kept(tmp_path: Path) -> None:
    mood = Field("mood", FieldType.KEYWORD)
    sidecar = read(tmp_path, "path,mood,year\nJazz/a.flac,7,1999\n", mood=mood)
    assert sidecar.values["/music/Jazz/a.flac"] == {"mood": "7", "year": 1999}
    assert sidecar.fields == ()


def test_genres_are_lists(tmp_path: Path) -> None:
    sidecar = read(tmp_path, "path,genre\nJazz/a.flac,Jazz; Hard Bop;;Jazz\n")
    assert sidecar.values["/music/Jazz/a.flac"] == {"genre": ("Jazz", "Hard Bop")}
    rows = [{"path": "Jazz/a.flac", "genre": ["A", "B"], "tags": ["x", "y"]}]
    sidecar = read(tmp_path, json.dumps(rows), "m.json")
    assert sidecar.values["/music/Jazz/a.flac"] == {"genre": ("A", "B"), "tags": ("x", "y")}


def test_how_a_row_names_its_file(tmp_path: Path) -> None:
    sidecar = read(
        tmp_path,
        "path,mood\n/music/Jazz/a.flac,1\n../music/x/../Rock/a.flac,2\nb.flac,3\nnone.flac,4\n"
        "e\u0301.mp3,5\nJazz/a.flac,6\n,7\n",
    )
    assert {path: row["mood"] for path, row in sidecar.values.items()} == {
        "/music/Jazz/a.flac": 1,
        "/music/é.mp3": 5,
    }
    assert notes(sidecar) == [
        "row 8: no file is named; the row is ignored",
        "row 3: '../music/x/../Rock/a.flac' is none of the files found",
        "row 4: 2 files are called 'b.flac'; write more of the path",
        "row 5: 'none.flac' is none of the files found",
        "row 7: 'Jazz/a.flac' has a row already, number 2; this one is ignored",
    ]


def test_relative_to_the_sidecar_comes_first(tmp_path: Path) -> None:
    near, far = str(tmp_path / "a.flac"), "/music/a.flac"
    files = {path: FoundFile(path, str(Path(path).parent), 1, 1) for path in (near, far)}
    sidecar = tmp_path / "m.csv"
    sidecar.write_text("path,mood\na.flac,calm\n")
    assert set(read_sidecar(sidecar, files, [ROOT], KNOWN).values) == {near}


def test_bad_cells_are_named_and_the_rest_is_used(tmp_path: Path) -> None:
    sidecar = read(
        tmp_path,
        "path,year,bpm,mood,plays:int\nJazz/a.flac,soon,900,calm,1.5\nJazz/b.flac,1999,120,,3\n",
    )
    assert sidecar.values == {
        "/music/Jazz/a.flac": {"mood": "calm"},
        "/music/Jazz/b.flac": {"year": 1999, "bpm": 120.0, "plays": 3},
    }
    assert notes(sidecar) == [
        "row 2, column 'year': 'soon' is not a whole number",
        "row 2, column 'bpm': 900.0 is outside 20..500",
        "row 2, column 'plays:int': '1.5' is not a whole number",
    ]


def test_columns_that_cannot_be_fields_are_ignored(tmp_path: Path) -> None:
    sidecar = read(tmp_path, "path,duration,№,My Mood,my-mood,brightness\nJazz/a.flac,1,2,a,b,3\n")
    assert sidecar.values == {"/music/Jazz/a.flac": {"my_mood": "a"}}
    assert notes(sidecar) == [
        "column 'duration' is ignored: Segue computes 'duration' itself",
        "column '№' is ignored: name it with a-z, 0-9 and '_'",
        "column 'my-mood' is ignored: there is another one called 'my_mood'",
        "column 'brightness' is ignored: Segue computes 'brightness' itself",
    ]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_delimiters_quotes_and_byte_order_mark(tmp_path: Path, delimiter: str) -> None:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter)
    writer.writerows([["path", "notes"], ["Jazz/a.flac", 'two\nlines, "quoted"; all of it'], []])
    sidecar = read(tmp_path, b"\xef\xbb\xbf" + text.getvalue().encode())
    assert sidecar.values == {"/music/Jazz/a.flac": {"notes": 'two lines, "quoted"; all of it'}}


def test_json_by_path(tmp_path: Path) -> None:
    rows = {
        "Jazz/a.flac": {"mood": "calm", "plays": 3, "live": None},
        "b.mp3": {"mood": "x"},
        "c": 1,
    }
    sidecar = read(tmp_path, json.dumps(rows), "m.json")
    assert sidecar.values == {"/music/Jazz/a.flac": {"mood": "calm", "plays": 3}}
    assert len(sidecar.notes) == 2


def test_nested_json_is_refused_by_row(tmp_path: Path) -> None:
    rows: list[Any] = [{"path": "Jazz/a.flac", "mood": {"a": 1}}, 3, {"path": "Jazz/b.flac"}, []]
    sidecar = read(tmp_path, json.dumps(rows), "m.json")
    assert [note.split(":")[0].split(",")[0] for note in notes(sidecar)] == [
        "row 1",
        "row 2",
        "row 4",
    ]
    assert sidecar.values == {"/music/Jazz/b.flac": {}}


@pytest.mark.parametrize(
    ("content", "name", "problem"),
    [
        ("title\nx\n", "m.csv", "no column names the file"),
        ("", "m.csv", "no column names the file"),
        ("path,a,a\nx,1,2\n", "m.csv", "two columns have the same name"),
        ("path,a:colour\nx,1\n", "m.csv", "no type 'colour'"),
        ("path,title:int\nx,1\n", "m.csv", "the library has 'title' as text"),
        ('path,a\n"x,1\n', "m.csv", "not CSV"),
        (b"path,a\nx,\xff\n", "m.csv", "not UTF-8"),
        ("path,a\n" + "x" * 200_000 + ",1\n", "m.csv", "not CSV"),
        ("{", "m.json", "not JSON"),
        ("[" * 100_000, "m.json", "not JSON"),
        ('[{"path": "x", "a": NaN}]', "m.json", "not JSON"),
        ("3", "m.json", "list of objects"),
        ("path," + ",".join(f"c{i}" for i in range(300)) + "\nx" + ",1" * 300, "m.csv", "columns"),
    ],
)
def test_unusable_files(tmp_path: Path, content: str | bytes, name: str, problem: str) -> None:
    with pytest.raises(InvalidInputError, match=problem) as caught:
        read(tmp_path, content, name)
    assert caught.value.reason == "INVALID_METADATA"


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="no such file"):
        read_sidecar(tmp_path / "none.csv", FILES, [ROOT], KNOWN)


scalars = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=40)
)
cells = scalars | st.lists(scalars, max_size=4)


@settings(deadline=None)
@given(st.lists(cells, max_size=8))
def test_every_cell_fits_the_inferred_type(column: list[Cell]) -> None:
    kind = infer_type(column)
    for cell in column:
        try:
            value = read_cell("x", kind, cell)
        except CellError:
            # Only texts may be refused, by their size; numbers were looked at when inferring.
            assert kind in {FieldType.KEYWORD, FieldType.TEXT}
            continue
        if value is not None:
            assert all(fits(kind, v) for v in (value if isinstance(value, tuple) else (value,)))


@settings(deadline=None)
@given(cells, st.sampled_from(list(FieldType)), st.sampled_from(["x", "year", "bpm", "genre"]))
def test_any_cell_as_any_type_fits_or_is_refused(cell: Cell, kind: FieldType, name: str) -> None:
    try:
        value = read_cell(name, kind, cell, split=name == "genre")
    except CellError as error:
        assert str(error)
        return
    if value is not None:
        check_payload({name: value}, {name: Field(name, kind)}, where="cell")


@settings(deadline=None)
@given(st.lists(st.dictionaries(st.text(max_size=12), cells, max_size=5), max_size=6))
def test_any_json_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Cell]]
) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzz.json"
    path.write_text(json.dumps([row | {"path": "Jazz/a.flac"} for row in rows]))
    try:
        sidecar = read_sidecar(path, FILES, [ROOT], KNOWN)
    except InvalidInputError:
        return
    fields = KNOWN | {field.name: field for field in sidecar.fields}
    for values in sidecar.values.values():
        check_payload(values, fields, where="sidecar")
        assert not any(fields[name].computed for name in values)


@settings(deadline=None)
@given(st.text(alphabet='path,;\t\n"\r aé\0', max_size=200))
def test_any_csv_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzz.csv"
    path.write_bytes(b"path,x\n" + text.encode())
    try:
        read_sidecar(path, FILES, [ROOT], KNOWN)
    except InvalidInputError as error:
        assert error.reason == "INVALID_METADATA"
