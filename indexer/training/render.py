"""Songs to sound: FluidSynth plays soundfonts, our own voices sing what no soundfont can."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import fluidsynth
import numpy as np
from numpy.typing import NDArray

from indexer.training.compose import Song, Voice
from indexer.training.singing import sing

Sound = NDArray[np.float32]

RATE = 44_100
"""Hz that songs are rendered at."""
RING = 1.5
"""Seconds kept after the last bar."""

FOLDER = Path("/usr/share/sounds/sf2")
TRAINING = ("FluidR3_GM.sf2", "TimGM6mb.sf2", "OPL-3_FM_128M.sf2")
"""Debian's fluid-soundfont-gm, timgm6mb-soundfont and opl3-soundfont."""
SHARES = (0.55, 0.35, 0.1)
"""How often each of them plays."""
HELD_OUT = ("sf_GMbank.sf2",)
"""Debian's csound-soundfont: never trained on."""

SUNG = "singing voice"
"""The timbre that no soundfont has."""

_DRUM_CHANNEL = 9
_DRUM_BANK = 128


class Band:
    """Plays songs on a set of soundfonts. One per process: it holds the samples."""

    def __init__(self, fonts: Sequence[str], shares: Sequence[float] | None = None) -> None:
        """Load the soundfonts.

        Args:
            fonts: File names in ``FOLDER``.
            shares: How often each is chosen; all alike if not given.

        Raises:
            FileNotFoundError: If one is not installed.
        """
        for font in fonts:
            if not (FOLDER / font).is_file():
                raise FileNotFoundError(f"{FOLDER / font}: install Debian's package of it")
        self._synth = fluidsynth.Synth(samplerate=float(RATE), gain=0.35)
        self._synth.setting("synth.polyphony", 256)
        self._fonts = [self._synth.sfload(str(FOLDER / font)) for font in fonts]
        self._shares = np.asarray(shares if shares is not None else np.ones(len(fonts)))

    def play(self, song: Song) -> Sound:
        """The song, mono float32 at ``RATE``, peak at most about 1."""
        rng = np.random.default_rng([song.seed, 0xBA4D])
        sung = [voice for voice in song.voices if voice.timbre == SUNG]
        played = [voice for voice in song.voices if voice.timbre != SUNG]
        frames = int((song.seconds + RING) * RATE)
        sound = self._fluid(played, song, frames, rng)
        for voice in sung:
            sound += sing(voice.line, frames, RATE, rng) * (voice.volume / 127.0) * 0.3
        return sound

    def _fluid(
        self, voices: Sequence[Voice], song: Song, frames: int, rng: np.random.Generator
    ) -> Sound:
        synth = self._synth
        synth.system_reset()
        synth.set_reverb(0.2 + 0.7 * song.room, 0.3, 0.6, song.room)
        shares = self._shares / self._shares.sum()
        # One font for the band mostly, so that it sounds like one recording.
        common = int(rng.choice(len(self._fonts), p=shares))
        events: list[tuple[float, int, int, int]] = []
        channel = 0
        for voice in voices:
            if voice.timbre == "drums":
                number, bank = _DRUM_CHANNEL, _DRUM_BANK
            else:
                channel += channel == _DRUM_CHANNEL
                number, bank = channel, 0
                channel += 1
            font = common if rng.random() < 0.7 else int(rng.choice(len(self._fonts), p=shares))
            done = synth.program_select(number, self._fonts[font], bank, voice.program)
            if done != 0:
                synth.program_select(number, self._fonts[font], bank, 0)
            synth.cc(number, 7, voice.volume)
            synth.cc(number, 10, voice.pan)
            synth.cc(number, 91, int(127 * song.room))
            for note in voice.line:
                events.append((note.start, 1, number, note.pitch | note.velocity << 8))
                events.append((note.end, 0, number, note.pitch))
        events.sort()
        parts, at = [], 0
        for time, on, number, value in events:
            until = min(frames, int(time * RATE))
            if until > at:
                parts.append(synth.get_samples(until - at))
                at = until
            if on:
                synth.noteon(number, value & 0xFF, value >> 8)
            else:
                synth.noteoff(number, value)
        if frames > at:
            parts.append(synth.get_samples(frames - at))
        stereo = np.concatenate(parts).reshape(-1, 2).astype(np.float32)
        return np.asarray(stereo.mean(axis=1) / 32_768.0, dtype=np.float32)

    def close(self) -> None:
        """Free the samples."""
        self._synth.delete()
