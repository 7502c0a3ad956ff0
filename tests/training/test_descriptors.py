"""What the descriptors of rhythm and harmony are fitted by."""

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from indexer.training.songs import composed, heard, own, truth_of
from retrieval.describe import fitted


def test_truth_is_what_the_notes_tell() -> None:
    songs = [truth_of(song) for song in composed(1_000_000, 20)]
    keyed = [truth for truth in songs if truth.key is not None]
    assert 10 < len(keyed) < 20, "modes whose tonic nobody hears have no key"
    for truth in songs:
        assert (truth.bpm is not None) >= bool(len(truth.beats))
        assert set(truth.downbeats) <= set(truth.beats)
        assert all(end > start and 0 <= chord < 24 for start, end, chord in truth.chords)
    known = sum(len(truth.chords) for truth in songs)
    assert known > 150


def test_the_file_has_the_tables_that_are_used() -> None:
    tables = load_file(fitted.FILE)
    assert {name: table.shape for name, table in tables.items()} == {
        "tempo": (69,),
        "beats": (4, 5),
        "accents": (6, 3),
        "accents_usual": (3,),
        "chords": (2, 2, 12),
        "chord_modes": (2,),
        "chord_odds": (2,),
        "no_chord": (2,),
        "levels": (24,),
        "keys": (40, 2),
        "key_modes": (2,),
    }
    assert all(np.all(np.isfinite(table)) for table in tables.values())


@pytest.mark.slow
def test_a_fit_on_a_few_songs_fills_the_same_tables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch")
    from indexer.training.descriptors import Example, fit
    from indexer.training.songs import beating

    shipped = {name: table.shape for name, table in load_file(fitted.FILE).items()}
    monkeypatch.setattr(fitted, "FILE", tmp_path / "fitted.safetensors")
    monkeypatch.setattr(fitted, "_used", [])
    songs = [Example(heard(song), song.truth) for song in own(composed(5_000_000, 6))]
    fit(songs, [Example(heard(song), song.truth) for song in own(beating(7_000_000, 1))])
    tables = load_file(fitted.FILE)
    assert {name: table.shape for name, table in tables.items()} == shipped
    # A chord's own root speaks for it, in the bass above all.
    assert np.all(tables["chords"][:, 1].argmax(axis=1) == 0)
