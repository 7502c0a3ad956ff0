"""Chords, beats, numbers per second: what is written reads back, and the rest names its line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from indexer.formats import (
    beats,
    chords_intervals,
    chords_omnizart,
    chords_seconds,
    emotion,
    scenes,
    seconds,
    vocabulary,
)
from indexer.formats.chord_names import NO_CHORD, chord_names, normal_chord
from indexer.formats.chords import ChordSpan, ChordTrack, read_chords, spans_of_seconds
from retrieval.core.errors import InvalidInputError

NAMES = st.sampled_from(chord_names())
PER_SECOND = st.lists(NAMES, min_size=1, max_size=40)
TIMES = st.lists(st.integers(0, 600_000), min_size=2, max_size=20, unique=True).map(sorted)
READERS = {
    "chords.lab": read_chords,
    "chords_seconds.lab": chords_seconds.read,
    "chords_intervals.lab": chords_intervals.read,
    "chords.csv": read_chords,
    "loudness.lab": lambda path: seconds.read(path, seconds.LOUDNESS),
    "emotion.lab": emotion.read,
    "scenes.lab": scenes.read,
    "beats.beats": beats.read,
    "chord.json": vocabulary.read,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("labels")


def put(folder: Path, name: str, text: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize(
    ("label", "name"),
    [
        *(
            ("C", "C"),
            ("C:maj", "C"),
            ("Dbm7", "C#:min7"),
            ("A:m7", "A:min7"),
            ("A:min7", "A:min7"),
        ),
        *(("G:m6", "G:min6"), ("D:sus", "D:sus4"), ("E7/3", "E:7"), ("F#:hdim7", "F#:hdim7")),
        *(("Cb", "B"), ("B:minmaj7", "B:min"), ("N", "N"), ("X", "N"), ("C:maj7(9)/E", "C:maj7")),
    ],
)
def test_one_spelling_for_every_chord(label, name) -> None:
    assert normal_chord(label) == name


@pytest.mark.parametrize("label", ["", "H", "C:what", "7", "c", "C:", "Cmaj7/"])
def test_what_is_no_chord(label) -> None:
    assert normal_chord(label) in {None, "C"}
    assert (normal_chord(label) == "C") == (label == "C:")


def test_the_names_are_157_and_spelt_as_they_are_read() -> None:
    assert len(set(chord_names())) == 12 * 13 + 1
    assert [normal_chord(name) for name in chord_names()] == list(chord_names())


@given(PER_SECOND, st.sampled_from([None, "C major", "F# minor"]))
@settings(max_examples=40, deadline=None)
def test_chords_per_second_read_back(folder, names, key) -> None:
    track = ChordTrack(spans_of_seconds(names), key)
    path = put(folder, "seconds.lab", chords_seconds.to_text(track))
    found = read_chords(path)
    assert found == track
    assert found.by_second() == names
    assert found.missing == (set(names) == {NO_CHORD})


@given(TIMES, st.data())
@settings(max_examples=40, deadline=None)
def test_chords_in_intervals_read_back_from_both_formats(folder, times, data) -> None:
    edges = [time / 1000 for time in times]
    names = data.draw(st.lists(NAMES, min_size=len(edges) - 1, max_size=len(edges) - 1))
    pairs = zip(edges, edges[1:], names, strict=False)
    track = ChordTrack(tuple(ChordSpan(a, b, name) for a, b, name in pairs))
    assert read_chords(put(folder, "btc.lab", chords_intervals.to_text(track))) == track
    assert read_chords(put(folder, "omnizart.csv", chords_omnizart.to_text(track))) == track


def test_omnizart_minds_no_case_and_no_order(folder) -> None:
    path = put(folder, "o.csv", "END,start,Chord\n1.5,0,Am\n3,1.5,G:maj\n")
    assert read_chords(path).spans == (ChordSpan(0, 1.5, "A:min"), ChordSpan(1.5, 3, "G"))


def test_a_second_belongs_to_the_chord_that_fills_most_of_it() -> None:
    track = ChordTrack((ChordSpan(0.2, 1.4, "C"), ChordSpan(1.4, 2.0, "G")))
    assert track.by_second() == ["C", "G"]


@given(st.lists(st.floats(0, 1, width=32), min_size=1, max_size=50))
@example([1e-30])
@settings(max_examples=40, deadline=None)
def test_numbers_per_second_read_back(folder, values) -> None:
    path = put(folder, "l.lab", seconds.to_text(values))
    found = seconds.read(path, seconds.LOUDNESS)
    assert found.shape == (len(values), 1) and found.dtype == np.float32
    assert np.allclose(found[:, 0], values, atol=1e-8)


@given(st.lists(st.lists(st.floats(0.01, 1), min_size=6, max_size=6), min_size=1, max_size=20))
@settings(max_examples=30, deadline=None)
def test_emotions_read_back_whatever_their_order(folder, rows) -> None:
    values = np.asarray(rows)
    values /= values.sum(axis=1, keepdims=True)
    text = emotion.to_text(values)
    assert np.allclose(emotion.read(put(folder, "e.lab", text)), values, atol=1e-6)
    turned = [[line.split()[0], *line.split()[:0:-1]] for line in text.splitlines()]
    text = "\n".join(" ".join(words) for words in turned)
    assert np.allclose(emotion.read(put(folder, "e.lab", text)), values, atol=1e-6)


@given(st.lists(st.integers(0, 9), min_size=1, max_size=20), st.integers(0, 2**31))
@settings(max_examples=30, deadline=None)
def test_scenes_read_back(folder, ids, seed) -> None:
    offsets = np.random.default_rng(seed).uniform(0, 100, len(ids)).round(3)
    text = scenes.to_text(np.asarray(ids, np.int32), offsets.astype(np.float32))
    found, found_offsets = scenes.read(put(folder, "s.lab", text))
    assert found.tolist() == ids
    assert np.allclose(found_offsets, offsets, atol=1e-4)


@given(TIMES, st.data())
@settings(max_examples=30, deadline=None)
def test_beats_read_back(folder, times, data) -> None:
    numbers = tuple(
        data.draw(st.lists(st.integers(0, 8), min_size=len(times), max_size=len(times)))
    )
    track = beats.BeatTrack(tuple(time / 1000 for time in times), numbers)
    assert beats.read(put(folder, "b.beats", beats.to_text(track))) == track


def test_beats_are_counted_from_each_downbeat() -> None:
    track = beats.number_beats((0.5, 1.0, 1.5, 2.0, 2.5, 3.0), (1.0, 2.5))
    assert track.numbers == (0, 1, 2, 3, 1, 2)
    assert track.downbeats == (1.0, 2.5)


@given(st.dictionaries(NAMES, st.integers(0, 5000), max_size=30), st.lists(NAMES, max_size=20))
@settings(max_examples=40, deadline=None)
def test_a_vocabulary_only_grows(folder, names, more) -> None:
    known = {name: number for number, name in {n: name for name, n in names.items()}.items()}
    read = vocabulary.read(put(folder, "chord.json", vocabulary.to_text(known)))
    assert read == known
    grown = vocabulary.extend(read, more)
    assert grown.items() >= known.items()
    assert set(more) <= grown.keys()
    assert len(set(grown.values())) == len(grown)
    assert all(
        grown[name] > max(known.values(), default=-1) for name in grown.keys() - known.keys()
    )


def test_a_vocabulary_knows_other_spellings() -> None:
    assert vocabulary.extend({"A:m7": 7}, ["A:min7", "N"]) == {"A:m7": 7, "N": 8}
    assert vocabulary.by_chord({"A:m7": 7, "Db": 3}) == {"A:min7": 7, "C#": 3}


HOSTILE = [
    *(b"", b"\n\n", b"\xff\xfe", b"\0" * 50, b"0", b"0 1 2 3 4 5 6 7 8", b"nan nan nan", b"inf 1"),
    *(b"1e999 2 C", b"-1 2 C", b"3 1 C", b"1_0 2 C", b"0 C\n0 C", b"0 C\n2 C", b"key", b"[" * 9999),
    *(
        b'{"C": 1.5}',
        b'{"C": 1, "D": 1}',
        b'{"C": 1, "C": 2}',
        b'{"C": -1}',
        b'["C"]',
        b'{"C":1e9}',
    ),
    *(b"Chord,Start\nC,0\n", b"Chord,Start,End\nC,0\n", b"Chord,Start,End,End\nC,0,1,2\n"),
    *(b'Chord,Start,End\n"C,0,1\n', b"0 0.5 0.5\n1 what\n", b"0 2.0\n", b"0 -0.1", b"0 1e400"),
    *(b"time a b c d e f\n0 1 0 0 0 0 0", b"0 C " + b"x" * 10_000, "0 ♭".encode(), b"0\x0bC"),
]


@pytest.mark.parametrize("name", READERS)
def test_hostile_files_are_refused_by_name(folder, name) -> None:
    refused = 0
    for content in HOSTILE:
        path = put(folder, name, content)
        try:
            READERS[name](path)
        except InvalidInputError as error:
            assert str(path) in error.message
            assert error.reason == "FEATURES_UNREADABLE"
            refused += 1
    # Each reader understands a few of them, since some are files of another kind.
    assert refused >= len(HOSTILE) - 4


@given(st.sampled_from(sorted(READERS)), st.binary(max_size=200) | st.text(max_size=200))
@settings(max_examples=150, deadline=None)
def test_no_bytes_at_all_break_a_reader(folder, name, content) -> None:
    path = put(folder, name, content if isinstance(content, bytes) else content.encode("utf-8"))
    try:
        READERS[name](path)
    except InvalidInputError as error:
        assert str(path) in error.message


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("chords.lab", "key C major\n0 C\n\n1 what\n", 4),
        ("chords.lab", "0 1 C\n1 2 Q\n", 2),
        ("chords.lab", "0 2 C\n1 3 G\n", 2),
        ("chords.csv", "Chord,Start,End\nC,0,1\nG,x,2\n", 3),
        ("loudness.lab", "0 0.5\n1 -14.0\n", 2),
        ("loudness.lab", "0 0.5\n2 0.5\n", 2),
        ("emotion.lab", "time exciting fearful tense sad relaxing neutral\n0 1 0 0 0 0 1\n", 2),
        ("beats.beats", "1\t1\n0.5\t2\n", 2),
    ],
)
def test_errors_name_the_line(folder, name, text, line) -> None:
    with pytest.raises(InvalidInputError, match=f"line {line}:") as caught:
        READERS[name](put(folder, name, text))
    assert caught.value.metadata["line"] == str(line)


def test_files_that_are_no_files(folder, tmp_path) -> None:
    for name, read in READERS.items():
        (tmp_path / name).mkdir()
        for path in (tmp_path / name, tmp_path / "gone" / name):
            with pytest.raises(InvalidInputError, match=name):
                read(path)


def test_a_vocabulary_may_have_gaps(folder) -> None:
    path = put(folder, "chord.json", json.dumps({"N": 0, "C": 5, "D": 90}))
    assert vocabulary.extend(vocabulary.read(path), ["E"]) == {"N": 0, "C": 5, "D": 90, "E": 91}
