from __future__ import annotations

import struct
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.tags import clean, parse_bpm, parse_year, path_fields, read_tags, split_genres
from retrieval.core.payload import STANDARD_FIELDS, check_payload
from tests.indexer.conftest import retag
from tests.signals import encode, sine

FIELDS = {field.name: field for field in STANDARD_FIELDS}


def write(path: Path, format: str, **tags: str | int) -> Path:
    sound = encode(sine(440, 0.3)[:, None].repeat(2, axis=1), format=format)
    path.write_bytes(retag(sound, format, **tags))  # type: ignore[arg-type]
    return path


@pytest.mark.parametrize("format", ["wav", "flac", "mp3", "ogg", "m4a"])
def test_every_container(tmp_path: Path, format: str) -> None:
    path = write(
        tmp_path / f"a.{format}",
        format,
        title="Ça va",
        artist="東京事変",
        album="教育",
        genre="Jazz;Rock",
        comment="one\ntwo",
        year=2004,
        bpm=128,
    )
    fields = read_tags(path)
    assert fields == {
        "title": "Ça va",
        "artist": "東京事変",
        "album": "教育",
        "genre": ("Jazz", "Rock"),
        "comment": "one two",
        "year": 2004,
        "bpm": 128.0,
    }
    check_payload(fields, FIELDS, where="tags")


def test_aiff_and_riff_chunks(tmp_path: Path) -> None:
    data = encode(sine(440, 0.3), format="aiff")
    chunk = b"NAME" + struct.pack(">I", 5) + b"Title\0" + b"AUTH" + struct.pack(">I", 2) + b"Me"
    body = data[8:] + chunk
    path = tmp_path / "a.aiff"
    path.write_bytes(b"FORM" + struct.pack(">I", len(body)) + body)
    assert read_tags(path) == {"title": "Title", "artist": "Me"}

    data = encode(sine(440, 0.3), format="wav")
    info = (
        b"INFO"
        + b"INAM"
        + struct.pack("<I", 6)
        + b"Title\0"
        + b"ITRK"
        + struct.pack("<I", 2)
        + b"7\0"
    )
    body = data[8:] + b"LIST" + struct.pack("<I", len(info)) + info
    path = tmp_path / "a.wav"
    path.write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)
    assert read_tags(path) == {"title": "Title", "track_number": 7}


def test_content_decides_and_not_the_extension(tmp_path: Path) -> None:
    assert read_tags(write(tmp_path / "really_flac.mp3", "flac", title="A"))["title"] == "A"


def test_poisoned_tags_are_harmless(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.mp3",
        "mp3",
        title="\x1b[2J\u202eevil\u2066\x07 title\r\nINFO forged line" + "x" * 100_000,
        artist="\x00\x01\x02",
        genre=";;".join(f"g{i}" for i in range(5_000)),
        comment="y" * 1_000_000,
        year=99_999,
        bpm=-5,
    )
    fields = read_tags(path)
    check_payload(fields, FIELDS, where="tags")
    assert str(fields["title"]).startswith("[2Jevil title INFO forged line")
    assert len(str(fields["title"])) == 512
    assert len(str(fields["comment"])) == 4096
    assert len(fields["genre"]) == 16  # type: ignore[arg-type]
    assert fields.keys() == {"title", "genre", "comment"}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not sound at all",
        b"ID3\x04\0\0\x7f\x7f\x7f\x7fTIT2\x7f\x7f\x7f\x7f\0\0",
        b"RIFF\xff\xff\xff\xffWAVELIST\xff\xff\xff\xffINFOINAM\xff\xff\xff\xff",
        b"OggS" + b"\xff" * 400,
        b"fLaC\x84\xff\xff\xff" + b"\xff" * 64,
        b"\0\0\0\x18ftypM4A \0\0\0\0M4A mp42\xff\xff\xff\xffmoov" + b"\0" * 64,
        b"FORM\xff\xff\xff\xffAIFFNAME\xff\xff\xff\xff",
    ],
)
def test_broken_tags_give_nothing(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "a.mp3"
    path.write_bytes(data)
    assert read_tags(path) == {}


def test_a_file_that_is_gone_gives_nothing(tmp_path: Path) -> None:
    assert read_tags(tmp_path / "gone.mp3") == {}


@settings(deadline=None)
@given(st.binary(max_size=400), st.sampled_from(["ID3\x04", "RIFF", "OggS", "fLaC", "FORM", ""]))
def test_any_bytes_are_safe(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, head: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzz.mp3"
    path.write_bytes(head.encode() + data)
    check_payload(read_tags(path), FIELDS, where="tags")


@settings(deadline=None)
@given(st.text(), st.integers(1, 100))
def test_clean_text(text: str, limit: int) -> None:
    cleaned = clean(text, limit)
    assert len(cleaned) <= limit
    assert cleaned == cleaned.strip()
    assert "  " not in cleaned
    assert not any(unicodedata.category(c) in {"Cc", "Cs"} for c in cleaned)
    cleaned.encode("utf-8")


@pytest.mark.parametrize(
    ("text", "year"),
    [
        ("1969", 1969),
        ("1969-07-20T20:17:40Z", 1969),
        ("20/07/1969", 1969),
        ("released 2001", 2001),
        ("0", None),
        ("69", None),
        ("0000", None),
        ("9999", None),
        ("19691969", None),
        ("", None),
    ],
)
def test_years(text: str, year: int | None) -> None:
    assert parse_year(text) == year


@pytest.mark.parametrize(
    ("text", "bpm"),
    [("120", 120.0), (" 97,5 ", 97.5), ("0", None), ("-3", None), ("1e9", None), ("nan", None),
     ("inf", None), ("fast", None), ("", None)],
)  # fmt: skip
def test_tempi(text: str, bpm: float | None) -> None:
    assert parse_bpm(text) == bpm


def test_genres() -> None:
    assert split_genres(["Jazz; Hard Bop ;jazz", "Folk\0Rock", "(17)", "17"]) == (
        "Jazz", "Hard Bop", "Folk", "Rock",
    )  # fmt: skip
    assert split_genres([""]) == ()


def test_names_and_folders() -> None:
    assert path_fields("/music/Jazz/Live at X/01 - Tune.flac", "/music") == {
        "title": "01 - Tune",
        "folder": "Jazz/Live at X",
    }
    assert path_fields("/music/a.b.mp3", "/music") == {"title": "a.b"}
