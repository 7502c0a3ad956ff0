"""What the network of note density is fitted by."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from indexer.training.compose import compose
from indexer.training.songs import RATE, Rendered, truth_of
from retrieval.describe import density

torch = pytest.importorskip("torch")

from indexer.training.density import (  # noqa: E402 - without PyTorch there is nothing to test
    Example,
    Network,
    beginnings,
    distinct,
    fit,
)

COUNTS = 66


def examples(count: int) -> list[Example]:
    """Nothing but noise, and a first row that is struck once for every note."""
    rng = np.random.default_rng(4)
    found = []
    for _ in range(count):
        begun = (rng.random(700) < rng.uniform(0.01, 0.4)).astype(np.float32)
        rows = rng.random((700, COUNTS)).astype(np.float32)
        rows[:, 0] = begun
        found.append(Example(rows, begun, 700 / density.FRAME_RATE, 3.0, 0.5))
    return found


def first(kind: str, rate: int = 44_100) -> Rendered:
    song = next(one for one in map(compose, range(11_000_000, 11_000_400)) if one.kind == kind)
    return Rendered(song, np.zeros(0, np.float32), rate, truth_of(song))


def test_every_pitched_note_begins_once() -> None:
    assert beginnings(first("drums")) == []
    song = first("duo")
    notes = {(note.pitch, note.start) for voice in song.song.voices for note in voice.line}
    assert 0.8 * len(notes) < len(beginnings(song)) <= len(notes)
    # The second is the first on another instrument, the third follows, the fourth is higher.
    assert distinct([(60, 1.0), (60, 1.03), (60, 1.2), (61, 1.0)]) == [1.0, 1.2, 1.0]


def test_what_has_no_time_to_speak_is_no_note() -> None:
    song = first("solo", RATE)
    (voice, *_) = song.song.voices
    notes = tuple(replace(note, end=note.start + 0.1) for note in voice.line)
    for timbre, count in (("choir", 0), ("piano", len({(n.pitch, n.start) for n in notes}))):
        short = replace(song.song, voices=(replace(voice, timbre=timbre, line=notes),))
        assert len(beginnings(replace(song, song=short))) == count


def test_what_is_fitted_is_what_is_computed() -> None:
    torch.manual_seed(1)
    rng = np.random.default_rng(1)
    network = Network(rng.uniform(0.5, 2.0, COUNTS).astype(np.float32)).eval()
    rows = rng.random((300, COUNTS)).astype(np.float32)
    with torch.no_grad():
        wanted = network(torch.from_numpy(rows)[None])[0].numpy()
    found = density.rates(rows, network.tables())
    assert found == pytest.approx(wanted, rel=1e-4)
    assert np.ptp(found) > 1e-3


def test_a_short_fit_learns_to_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shipped = {name: table.shape for name, table in load_file(density.FILE).items()}
    monkeypatch.setattr(density, "FILE", tmp_path / "density.safetensors")
    monkeypatch.setattr("indexer.training.density._BATCH", 4)
    monkeypatch.setattr("indexer.training.density._LENGTH", 250)
    fit(examples(16), steps=60)
    tables = load_file(density.FILE)
    assert {name: table.shape for name, table in tables.items()} == shipped
    told = [density.expected(one.rows, tables) for one in examples(12)]
    assert np.corrcoef(told, [one.begun.sum() for one in examples(12)])[0, 1] > 0.9
