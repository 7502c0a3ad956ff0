"""The synthesiser: its files are what their truth says they are."""

from __future__ import annotations

import io
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray
from tinytag import TinyTag

from indexer.synth.catalogue import FORMATS, catalogue, compose
from indexer.synth.drums import CLOSED_HAT, KICK
from indexer.synth.files import encode, tag
from indexer.synth.instruments import VOICES
from indexer.synth.mixing import RING_SECONDS, render
from indexer.synth.rendering import render_library, render_piece
from indexer.synth.score import MODES, Key, Note, Part, Score
from indexer.synth.styles import STYLES

RATE = 44_100


def spectrum(sound: NDArray[np.float32], rate: int = RATE) -> tuple[NDArray, NDArray]:
    mono = sound.mean(axis=1) if sound.ndim == 2 else sound
    window = mono * np.hanning(len(mono))
    return np.fft.rfftfreq(len(mono), 1 / rate), np.abs(np.fft.rfft(window))


@pytest.mark.parametrize("instrument", VOICES)
@pytest.mark.parametrize("pitch", [48, 60, 76])
def test_instruments_play_in_tune(instrument: str, pitch: int) -> None:
    notes = (Note(0, 2, pitch),)
    sound = render(Score(60, 2, (Part(instrument, notes),), room=0.0), RATE)
    hertz, power = spectrum(sound[: 2 * RATE])
    wanted = 440 * 2 ** ((pitch - 69) / 12)
    # The strongest line within a semitone of the note is less than 25 cents away from it.
    near = (hertz > wanted / 1.06) & (hertz < wanted * 1.06)
    found = hertz[near][power[near].argmax()]
    assert abs(1200 * np.log2(found / wanted)) < 25
    # And it is really there: above a thousandth of the strongest line.
    assert power[near].max() > 1e-3 * power.max()


def test_drums_differ() -> None:
    centres = []
    for drum in (KICK, CLOSED_HAT):
        sound = render(Score(60, 1, (Part("drums", (Note(0, 0.1, drum),)),), room=0.0), RATE)
        hertz, power = spectrum(sound[: RATE // 2])
        centres.append((hertz * power).sum() / power.sum())
    assert centres[0] < 1_000
    assert centres[1] > 6_000


def test_notes_begin_where_the_tempo_puts_them() -> None:
    part = Part("piano", (Note(0, 0.5, 60), Note(3, 0.5, 60)))
    sound = render(Score(120, 4, (part,), room=0.0), RATE)
    assert sound.shape == (round((2 + RING_SECONDS) * RATE), 2)
    level = np.abs(sound).max(axis=1)
    assert level[int(1.40 * RATE) : int(1.499 * RATE)].max() < 0.01
    assert level[int(1.50 * RATE) : int(1.55 * RATE)].max() > 0.3


def test_pan_and_room() -> None:
    notes = (Note(0, 1, 60),)
    left = render(Score(60, 2, (Part("piano", notes, pan=-1),), room=0.0), RATE)
    assert np.abs(left[:, 1]).max() < 1e-6 < np.abs(left[:, 0]).max()
    dry = render(Score(60, 2, (Part("piano", notes),), room=0.0), RATE)
    wet = render(Score(60, 2, (Part("piano", notes),), room=0.5, decay=2.0), RATE)
    late = slice(int(1.6 * RATE), int(2.0 * RATE))
    assert np.abs(wet[late]).mean() > 10 * np.abs(dry[late]).mean()


@pytest.mark.parametrize("mode", MODES)
def test_keys_hold_their_notes(mode: str) -> None:
    for tonic in range(12):
        key = Key(tonic, mode)
        scale = {(tonic + step) % 12 for step in MODES[mode]}
        for near in (36, 60, 85):
            assert abs(key.pitch(0, near) - near) <= 6
            assert {key.pitch(degree, near) % 12 for degree in range(-7, 14)} == scale
            for degree in range(7):
                chord = key.chord(degree, near, 4)
                assert list(chord) == sorted(chord)
                assert chord[0] % 12 == key.pitch(degree, near) % 12
                assert abs(chord[0] - near) <= 7


def test_the_catalogue_is_forty_different_pieces() -> None:
    pieces = catalogue()
    assert len(pieces) == 40
    assert len({piece.path for piece in pieces}) == 40
    assert len({piece.tags.title for piece in pieces}) == 40
    assert len({piece.score for piece in pieces}) == 40
    assert {piece.format for piece in pieces} == set(FORMATS)
    assert {piece.truth.drums for piece in pieces} == {True, False}
    assert {piece.truth.register for piece in pieces} == {"low", "middle", "high"}
    assert all(8 <= piece.score.seconds + RING_SECONDS <= 15 for piece in pieces)


@pytest.mark.parametrize("style", STYLES)
def test_truth_is_what_the_score_plays(style: str) -> None:
    for seed in range(8):
        piece = compose(style, seed)
        assert piece == compose(style, seed)
        assert piece.truth.tempo == piece.score.tempo == piece.tags.bpm
        names = {part.instrument for part in piece.score.parts}
        assert names - {"drums"} == set(piece.truth.instruments)
        assert ("drums" in names) == piece.truth.drums
        pitched = [p for p in piece.score.parts if p.instrument != "drums"]
        assert all(0 <= note.start < piece.score.beats for p in pitched for note in p.notes)
        middle = np.median([note.pitch for part in pitched for note in part.notes])
        low, high = {"low": (28, 60), "middle": (50, 72), "high": (56, 96)}[piece.truth.register]
        assert low <= middle <= high
    assert compose(style, 0).score != compose(style, 4).score
    assert compose(style, 4).tags.title.endswith("No. 2")


@pytest.mark.parametrize("format", FORMATS)
def test_files_keep_sound_and_tags(format: str, tmp_path: Path) -> None:
    piece = next(piece for piece in catalogue() if piece.format == format)
    sound = render(piece.score, RATE, piece.seed)
    bare = encode(sound, RATE, format)
    path = tmp_path / f"piece.{format}"
    path.write_bytes(tag(bare, format, piece.tags))

    read = TinyTag.get(path)
    assert (read.title, read.artist, read.album) == (
        piece.tags.title,
        piece.tags.artist,
        piece.tags.album,
    )
    assert (read.genre, read.comment) == (piece.tags.genre, piece.tags.comment)
    assert read.year == str(piece.tags.year)
    assert read.other["bpm"] == [str(piece.tags.bpm)]

    decoded = decode(path.read_bytes())
    assert abs(len(decoded) - len(sound)) <= 2 * 1152 + 1024
    # Encoders may shift the sound by their delay, so compare what does not depend on it.
    assert decode(bare).shape == decoded.shape
    loud = np.sqrt(np.mean(sound**2))
    assert np.sqrt(np.mean(decoded**2)) == pytest.approx(loud, rel=0.05)


def decode(data: bytes) -> NDArray[np.float32]:
    with av.open(io.BytesIO(data), "r") as container:
        frames = [frame.to_ndarray() for frame in container.decode(audio=0)]
        planar = container.streams.audio[0].format.is_planar
    joined = np.concatenate(frames, axis=1)
    samples = joined.T if planar else joined.reshape(-1, 2)
    scale = {"i2": 2.0**15, "i4": 2.0**31}.get(samples.dtype.str[1:], 1.0)
    return (samples / scale).astype(np.float32)


def test_encode_refuses_other_formats() -> None:
    with pytest.raises(ValueError, match="use one of wav, flac"):
        encode(np.zeros((10, 2), np.float32), RATE, "xm")


def test_the_same_seed_sounds_the_same() -> None:
    piece = compose("techno", 1)
    assert render_piece(piece) == render_piece(piece)
    other = compose("techno", 2)
    assert not np.array_equal(render(piece.score, RATE)[:RATE], render(other.score, RATE)[:RATE])


def test_a_library_is_rendered_once(tmp_path: Path) -> None:
    pieces = catalogue(1)[:3]
    told: list[tuple[int, int]] = []
    paths = render_library(tmp_path, pieces, workers=2, progress=lambda *s: told.append(s))
    assert told == [(0, 3), (1, 3), (2, 3), (3, 3)]
    assert [path.relative_to(tmp_path).as_posix() for path in paths] == [p.path for p in pieces]
    assert all(soundfile.info(path).duration > 8 for path in paths if path.suffix != ".m4a")
    before = {path: path.stat().st_mtime_ns for path in paths}

    told.clear()
    assert render_library(tmp_path, pieces, progress=lambda *s: told.append(s)) == paths
    assert told == [(3, 3)]
    assert {path: path.stat().st_mtime_ns for path in paths} == before

    # One that is gone comes back alone; other notes under the same name are rendered anew.
    paths[1].unlink()
    render_library(tmp_path, pieces, workers=1)
    assert paths[1].is_file()
    assert paths[0].stat().st_mtime_ns == before[paths[0]]
    (tmp_path / ".rendered").write_text("an earlier version")
    render_library(tmp_path, pieces[:1], workers=1)
    assert paths[0].stat().st_mtime_ns != before[paths[0]]
