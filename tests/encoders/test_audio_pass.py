"""One pass over a file for several encoders."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from retrieval.audio import Limits, SoundDigest, open_audio
from retrieval.core.errors import AudioError, InvalidInputError
from retrieval.core.spaces import Distance, EmbeddingSpace, Level
from retrieval.core.tracks import Span
from retrieval.encoders import audio_pass
from retrieval.encoders.audio_pass import EncodedTrack, PreparedTrack, forward_tracks, prepare_track
from retrieval.encoders.perceptual import PerceptualEncoder
from retrieval.encoders.protocol import Windowing
from tests import signals
from tests.signals import Samples

PERCEPTUAL = PerceptualEncoder()


@dataclass
class Loudness:
    """A tiny real encoder: RMS and peak of each window."""

    name: str
    sample_rate: int
    windowing: Windowing
    levels: frozenset[Level] = frozenset({Level.TRACK, Level.SEGMENT})
    largest_batch: int = 0

    @property
    def space(self) -> EmbeddingSpace:
        return EmbeddingSpace(self.name, 2, Distance.DOT, "1", levels=self.levels, float16=False)

    def prepare_audio(self, window: Samples) -> tuple[float, float]:
        return float(np.sqrt(np.mean(window**2))), float(np.abs(window).max())

    def forward_audio(self, batch: Sequence[tuple[float, float]]) -> Samples:
        self.largest_batch = max(self.largest_batch, len(batch))
        return np.array(batch, dtype=np.float32)

    def pool(self, vectors: Samples, durations: NDArray[np.float64]) -> Samples:
        return np.average(vectors, axis=0, weights=durations).astype(np.float32)


def prepared(sound: Samples, *encoders: object, rate: int = signals.RATE) -> PreparedTrack:
    with open_audio(signals.encode(sound, rate, subtype="FLOAT")) as reader:
        return prepare_track(reader, encoders)


def encoded(sound: Samples, *encoders: object, rate: int = signals.RATE) -> EncodedTrack:
    return forward_tracks([prepared(sound, *encoders, rate=rate)], encoders)[0]


def test_a_track_and_its_segments() -> None:
    sound = signals.song(2, 25.0)
    track = encoded(sound, PERCEPTUAL)
    assert track.duration == pytest.approx(25.0)
    assert [s.span for s in track.segments] == [Span(0, 10), Span(10, 20), Span(20, 25)]
    assert track.vectors["perceptual"].shape == (10,)
    rows = np.stack([s.vectors["perceptual"] for s in track.segments])
    expected = np.average(rows, axis=0, weights=[10, 10, 5])
    assert track.vectors["perceptual"] == pytest.approx(expected, abs=1e-3)


def test_the_id_is_that_of_the_sound() -> None:
    data = signals.encode(signals.to_int16(signals.song(2, 3.0)), format="flac")
    with open_audio(data) as reader:
        digest = SoundDigest(reader.sample_rate, reader.channels)
        for block in reader.blocks():
            digest.update(block)
    with open_audio(data) as reader:
        track = prepare_track(reader, [PERCEPTUAL])
    assert track.track_id == digest.track_id()
    assert (track.sample_rate, track.channels, track.format) == (44_100, 2, "flac")
    assert not track.truncated


def test_every_encoder_at_its_own_rate_and_windows() -> None:
    coarse = Loudness("coarse", 8_000, Windowing(10.0, 10.0, 1.0))
    fine = Loudness("fine", 22_050, Windowing(4.0, 2.0, 1.0))
    whole = Loudness("whole", 48_000, Windowing(30.0, 30.0, 1.0), frozenset({Level.TRACK}))
    tone = signals.sine(500.0, 21.0, level=0.4)
    track = encoded(tone, PERCEPTUAL, coarse, fine, whole)
    assert set(track.vectors) == {"perceptual", "coarse", "fine", "whole"}
    for name in ("coarse", "fine", "whole"):
        assert track.vectors[name] == pytest.approx([0.4 / np.sqrt(2), 0.4], abs=0.02)
    spans = [segment.span for segment in track.segments]
    assert spans == sorted(spans)
    assert len(set(spans)) == len(spans)
    # Equal spans of several spaces are one segment.
    shared = track.segments[spans.index(Span(0.0, 10.0))]
    assert set(shared.vectors) == {"perceptual", "coarse"}
    assert set(track.segments[spans.index(Span(0.0, 4.0))].vectors) == {"fine"}
    assert not any("whole" in segment.vectors for segment in track.segments)
    assert max(span.end for span in spans) <= track.duration


def test_silent_windows_are_left_out() -> None:
    sound = signals.song(2, 30.0)
    sound[10 * signals.RATE - 100 : 20 * signals.RATE + 100] = 0.0
    track = encoded(sound, PERCEPTUAL)
    assert [segment.span for segment in track.segments] == [Span(0, 10), Span(20, 30)]


@pytest.mark.parametrize("level", [0.0, 1e-5])
def test_silence_is_an_error_that_names_the_file(level: float) -> None:
    sound = np.full((signals.RATE * 12, 2), level, np.float32)
    data = signals.encode(sound, subtype="FLOAT")
    for encoders in ([PERCEPTUAL], []):
        with open_audio(data, name="quiet.wav") as reader:
            with pytest.raises(AudioError, match=r"quiet\.wav") as caught:
                prepare_track(reader, encoders)
            assert caught.value.reason == "AUDIO_SILENT"


def test_quiet_sound_is_not_silence() -> None:
    assert encoded(0.002 * signals.song(1, 3.0), PERCEPTUAL).segments


def test_without_encoders_there_is_still_an_identity() -> None:
    track = prepared(signals.song(1, 2.0))
    assert len(track.track_id) == 32
    assert track.windows == {}
    assert forward_tracks([track], [])[0].vectors == {}


def test_errors_of_the_reader_pass_through() -> None:
    sound = signals.song(1, 3.0)
    sound[70_000] = np.nan
    with pytest.raises(AudioError) as caught:
        prepared(sound, PERCEPTUAL)
    assert caught.value.reason == "AUDIO_NOT_FINITE"
    mp3 = signals.encode(signals.song(1, 3.0), format="mp3")
    with (
        open_audio(mp3, Limits(max_duration=1.0)) as reader,
        pytest.raises(AudioError) as caught,
    ):
        prepare_track(reader, [PERCEPTUAL])
    assert caught.value.reason == "AUDIO_TOO_LONG"


def test_batches_cross_the_borders_between_files(monkeypatch: pytest.MonkeyPatch) -> None:
    fine = Loudness("fine", 8_000, Windowing(0.5, 0.5, 0.1))
    sounds = [signals.song(seed, 0.7 + 0.9 * seed, 8_000) for seed in range(5)]
    tracks = [prepared(sound, fine, PERCEPTUAL, rate=8_000) for sound in sounds]
    together = forward_tracks(tracks, [fine, PERCEPTUAL])
    total = sum(len(track.windows["fine"]) for track in tracks)
    assert fine.largest_batch == total > len(tracks[-1].windows["fine"])
    monkeypatch.setattr(audio_pass, "MAX_BATCH", 4)
    fine.largest_batch = 0
    in_fours = forward_tracks(tracks, [fine, PERCEPTUAL])
    assert fine.largest_batch == 4
    for track, a, b in zip(tracks, together, in_fours, strict=True):
        alone = forward_tracks([track], [fine, PERCEPTUAL])[0]
        for other in (a, b):
            assert other.track_id == alone.track_id == track.track_id
            assert [s.span for s in other.segments] == [s.span for s in alone.segments]
            for space in ("fine", "perceptual"):
                assert np.array_equal(other.vectors[space], alone.vectors[space])


def test_a_prepared_track_crosses_processes_and_is_small() -> None:
    track = prepared(signals.song(3, 60.0, 22_050), PERCEPTUAL, rate=22_050)
    data = pickle.dumps(track)
    assert len(data) < 10_000
    copy = pickle.loads(data)  # noqa: S301 - our own bytes
    first, second = forward_tracks([track, copy], [PERCEPTUAL])
    assert np.array_equal(first.vectors["perceptual"], second.vectors["perceptual"])


def test_a_vector_that_cannot_be_stored_is_refused() -> None:
    class Broken(Loudness):
        def forward_audio(self, batch: Sequence[tuple[float, float]]) -> Samples:
            return np.full((len(batch), 2), np.nan, dtype=np.float32)

    broken = Broken("broken", 8_000, Windowing(1.0, 1.0, 0.1))
    with pytest.raises(InvalidInputError):
        encoded(signals.song(1, 2.0), broken)
