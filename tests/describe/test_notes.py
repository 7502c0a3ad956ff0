"""Notes: from known activations always, from sound where the model of Basic Pitch is installed."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from indexer.training.songs import heard as songs_heard
from retrieval.core.errors import PreconditionError
from retrieval.describe.notes import Notes, find_model, transcribe
from tests.describe.sounds import heard
from tests.signals import RATE, sine

needs_model = pytest.mark.skipif(
    find_model() is None or importlib.util.find_spec("onnxruntime") is None,
    reason="Basic Pitch's model is not installed",
)


def activations(*notes: tuple[int, int, int], frames: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """What a clear model would say of notes: first frame, frame after the last, column."""
    sounding = np.zeros((frames, 88), dtype=np.float32)
    onsets = np.zeros_like(sounding)
    for first, end, pitch in notes:
        sounding[first:end, pitch] = 0.8
        onsets[first, pitch] = 0.9
    return sounding, onsets


def test_notes_are_read_from_activations() -> None:
    given = ((10, 60, 39), (10, 40, 43), (60, 90, 39), (100, 140, 0), (150, 199, 87))
    starts, ends, pitches, strengths = transcribe(*activations(*given))
    assert sorted(zip(starts, ends, pitches - 21, strict=True)) == sorted(given)
    assert strengths == pytest.approx(0.8)


def test_a_gap_is_bridged_and_a_blip_is_no_note() -> None:
    sounding, onsets = activations((10, 60, 30), (100, 103, 50))
    sounding[30:35, 30] = 0.1
    starts, ends, pitches, _ = transcribe(sounding, onsets)
    assert (list(starts), list(ends), list(pitches)) == ([10], [60], [51])


def test_an_onset_leaks_into_no_neighbour() -> None:
    sounding, onsets = activations((10, 60, 30))
    onsets[10, 29] = onsets[11, 31] = 0.6
    sounding[10:60, 29] = sounding[10:60, 31] = 0.4
    assert list(transcribe(sounding, onsets)[2]) == [51]


@pytest.mark.parametrize("frames", [0, 1, 3, 12])
def test_hardly_any_frames_are_no_error(frames: int) -> None:
    rng = np.random.default_rng(frames)
    found = transcribe(*rng.random((2, frames, 88)).astype(np.float32))
    assert len({len(part) for part in found}) == 1
    assert all(found[1] <= max(0, frames - 1))


def test_another_model_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    model = tmp_path / "nmp.onnx"
    model.write_bytes(b"not this one")
    with pytest.raises(PreconditionError) as refused:
        Notes(model).describe(heard(sine(440, 1.0)))
    assert refused.value.reason == "MODEL_INVALID"
    with pytest.raises(PreconditionError) as missing:
        Notes(tmp_path / "none.onnx")
    assert missing.value.reason == "MODEL_MISSING"


def scale(seconds: float) -> tuple[np.ndarray, list[tuple[float, int]]]:
    """A plucked scale up and down, a note every 0.4 s, with the time and pitch of each."""
    notes = [
        (0.1 + 0.4 * place, 60 + (0, 2, 4, 5, 7, 5, 4, 2)[place % 8])
        for place in range(int((seconds - 0.6) / 0.4))
    ]
    samples = np.zeros(round(seconds * RATE), dtype=np.float32)
    for start, pitch in notes:
        tone = sum(
            sine(440 * 2 ** ((pitch - 69) / 12) * n, 0.38, level=0.2 / n**2) for n in (1, 2, 3)
        )
        first = round(start * RATE)
        fade = np.exp(-np.arange(len(tone)) / (0.15 * RATE)) * np.minimum(
            1, (len(tone) - np.arange(len(tone))) / (0.02 * RATE)
        )
        samples[first : first + len(tone)] += tone * fade
    return samples, notes


@needs_model
def test_notes_lie_where_they_are_played_over_many_windows() -> None:
    samples, notes = scale(20.0)
    found = Notes().describe(heard(samples))
    (series,) = found.series
    assert series.ends is not None
    told = dict(zip(np.round(series.starts, 3), series.values, strict=True))
    for start, pitch in notes:
        near = [at for at, value in told.items() if value == pitch and abs(at - start) < 0.03]
        assert near, (start, pitch)
    assert found.scalars["note_density"] == pytest.approx(len(notes) / 20.0, rel=0.15)
    assert (found.scalars["pitch_low"], found.scalars["pitch_high"]) == (60, 67)
    assert 0.3 < found.scalars["note_density_confidence"] <= 1  # type: ignore[operator]
    assert np.all(series.ends >= series.starts)


@needs_model
@pytest.mark.parametrize("seconds", [0.05, 1.0, 1.64, 3.3])
def test_sound_of_any_length(seconds: float) -> None:
    assert Notes().describe(heard(np.zeros(round(seconds * RATE), np.float32))).scalars == {}
    facts = Notes().describe(heard(sine(440, seconds))).scalars
    assert facts["note_density"] >= 0  # type: ignore[operator]


@needs_model
@pytest.mark.slow
def test_density_follows_the_score() -> None:
    from tests.bench.describe_notes import agreement, pieces

    found = agreement(Notes(), pieces(40))
    assert found.r >= 0.95 and 0.8 < found.ratio < 1.25


@needs_model
def test_density_goes_with_the_score_of_a_few_songs() -> None:
    from tests.bench.describe_notes import KINDS, agreement, density

    songs = KINDS["own synthesiser"](6)
    found = agreement(Notes(), ((songs_heard(song), density(song)) for song in songs))
    assert found.r >= 0.9 and found.right >= 0.5


@needs_model
@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "name", "least"),
    [
        ("bands", "own synthesiser", 0.88),
        ("bands", "A (FluidR3, TimGM6mb)", 0.82),
        ("bands", "B (csound, held out)", 0.75),
        ("all", "own synthesiser", 0.9),
        ("all", "A (FluidR3, TimGM6mb)", 0.78),
        ("all", "B (csound, held out)", 0.9),
    ],
)
def test_density_goes_with_the_score_of_songs(kind: str, name: str, least: float) -> None:
    from tests.bench.describe_notes import KINDS, SETS, SONGS, agreement, density

    songs = list((SETS if kind == "bands" else KINDS)[name](SONGS))
    if not songs:
        pytest.skip("FluidSynth or its soundfonts are not installed")
    found = agreement(Notes(), ((songs_heard(song), density(song)) for song in songs))
    assert found.r >= least
    assert 0.9 < found.ratio < 1.2
