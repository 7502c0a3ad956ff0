"""MIDI files: notes read back, and hostile files are refused."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.core.errors import InvalidInputError

pytest.importorskip("mido")

from indexer.formats import midi

NOTES = st.lists(
    st.tuples(st.integers(0, 20_000), st.integers(1, 3_000), st.integers(0, 127)), max_size=20
)


@given(NOTES)
@settings(max_examples=40, deadline=None)
def test_notes_read_back(tmp_path_factory, rows) -> None:
    # One at a time of each pitch, as MIDI has it.
    last: dict[int, float] = {}
    notes = []
    for start, length, pitch in sorted(rows):
        begin, end = start / 1000, (start + length) / 1000
        if begin > last.get(pitch, -1.0) + 0.002:
            notes.append(midi.Note(begin, end, pitch))
            last[pitch] = end
    path = tmp_path_factory.getbasetemp() / "notes.mid"
    path.write_bytes(midi.to_bytes(notes, 25.0))
    found, length = midi.read(path)
    assert length == pytest.approx(25.0, abs=0.01)
    order = sorted(notes, key=lambda note: (note.pitch, note.start))
    again = sorted(found, key=lambda note: (note.pitch, note.start))
    assert [note.pitch for note in order] == [note.pitch for note in again]
    for one, two in zip(order, again, strict=True):
        assert (one.start, one.end) == pytest.approx((two.start, two.end), abs=0.002)


@given(st.binary(max_size=120), st.integers(0, 40))
@settings(max_examples=80, deadline=None)
def test_no_bytes_break_the_reader(tmp_path_factory, content, keep) -> None:
    whole = midi.to_bytes([midi.Note(0.0, 1.0, 60)], 2.0)
    path = tmp_path_factory.getbasetemp() / "hostile.mid"
    path.write_bytes(whole[:keep] + content)
    try:
        notes, length = midi.read(path)
    except InvalidInputError as error:
        assert "hostile.mid" in error.message
    else:
        assert length >= 0 and all(note.start <= note.end for note in notes)
