"""Names of exported files: each track's own, and never out of the folder."""

from __future__ import annotations

import unicodedata
from pathlib import PurePosixPath

from hypothesis import example, given
from hypothesis import strategies as st

from indexer.features_names import file_names, plain_name
from retrieval.core.tracks import Track

IDS = st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True)
NAMES = st.sampled_from(["a", "A", "b/a", "é", "e\u0301", "ß", "SS", "a~x", "a~x~"])


@given(st.dictionaries(IDS, NAMES | st.text(min_size=1, max_size=4), max_size=30))
@example({"x": "a", "X": "a", "y": "a~x", "z": "a~X"})
@example({"aaaaaaaa1": "n", "aaaaaaaa2": "n", "b": "n~aaaaaaaa"})
def test_no_two_names_are_alike_on_any_file_system(plain: dict[str, str]) -> None:
    names = file_names(plain)
    folded = {unicodedata.normalize("NFC", n.casefold()).casefold() for n in names.values()}
    assert names.keys() == plain.keys()
    assert len(folded) == len(names)
    alike = [unicodedata.normalize("NFC", n).casefold() for n in plain.values()]
    for track_id, name in names.items():
        same = unicodedata.normalize("NFC", plain[track_id]).casefold()
        assert name == plain[track_id] or alike.count(same) > 1
        assert name.startswith(plain[track_id])


@given(st.permutations([("1", "a"), ("2", "A"), ("3", "b"), ("4", "a")]))
def test_names_do_not_depend_on_the_order(tracks: list[tuple[str, str]]) -> None:
    assert file_names(dict(tracks)) == {"1": "a~1", "2": "A~2", "3": "b", "4": "a~4"}


@given(
    path=st.text(max_size=30) | st.sampled_from(["/../../etc/passwd", "/m/.x", "/m/..", "/"]),
    folder=st.text(max_size=10) | st.sampled_from(["..", "a/../../b", "/", "m"]),
    title=st.text(max_size=300),
    with_path=st.booleans(),
)
def test_no_name_leads_out_of_the_folder(
    path: str, folder: str, title: str, with_path: bool
) -> None:
    payload = {"folder": folder, "title": title} | ({"paths": (path,)} if with_path else {})
    name = plain_name(Track("track-1", payload))
    parts = PurePosixPath(name).parts
    assert name
    assert not name.startswith("/")
    assert not any(part.startswith(".") or "\0" in part for part in parts)
    assert all(len(part.encode()) <= 240 for part in parts)
    assert not any(unicodedata.category(char) == "Cc" for char in name)


def test_names_are_those_of_the_sound_files() -> None:
    payload = {"folder": "Album/Disc 1", "paths": ("/music/Album/Disc 1/01 Song.v2.flac", "/x")}
    assert plain_name(Track("t", payload)) == "Album/Disc 1/01 Song.v2"
    assert plain_name(Track("t", {"paths": ("/music/a.flac",)})) == "a"
    assert plain_name(Track("t", {"paths": ("/music/What?\u00a0: (live) .flac",)})) == (
        "What?\u00a0: (live) "
    )
    assert plain_name(Track("t", {"title": "Song", "folder": "f"})) == "f/Song"
    assert plain_name(Track("t")) == "t"
