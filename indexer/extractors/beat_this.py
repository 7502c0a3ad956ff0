"""Beat This!: beats and downbeats (Foscarin et al., ISMIR 2024), on a checkpoint of its authors.

The network is the package's own; its spectrogram is made here, so that torchaudio is not needed.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from indexer.extractors.protocol import Content, Frames, Mono
from indexer.extractors.weights import find_file, read_checkpoint, revision_of
from indexer.formats.beats import number_beats
from retrieval.encoders.checkpoints import invalid, take_tensors
from retrieval.encoders.device import choose_compute

RATE, FPS = 22_050, 50
FFT, HOP, BANDS = 1_024, 441, 128
LOWEST, HIGHEST = 30.0, 11_000.0
PIECE, BORDER = 1_500, 6
"""Frames that go through at once, and those at each end that are not used."""
NEAR = 3
"""Frames to each side among which a beat is the greatest: 60 ms."""
_METHOD = ("beat-this", 1, RATE, FFT, HOP, BANDS, LOWEST, HIGHEST, PIECE, BORDER, NEAR)
_FIX = "give a checkpoint of CPJKU/beat_this, such as final0.ckpt"


class BeatThisTracker:
    """Activations of beats and downbeats (T, 2) at 50 fps, 0 to 1, and the beats themselves."""

    def __init__(self, weights: Path, *, device: str) -> None:
        """Load.

        Args:
            weights: The checkpoint, or its folder.
            device: As ``choose_device``.

        Raises:
            PreconditionError: MODEL_MISSING or MODEL_INVALID.
            ImportError: If beat_this, einops or rotary_embedding_torch is not installed.
        """
        from beat_this.model.beat_tracker import BeatThis
        from transformers.audio_utils import mel_filter_bank

        path = find_file(weights, ["*.ckpt"], _FIX)
        content = read_checkpoint(path)
        given = content.get("hyper_parameters")
        if not isinstance(given, dict):
            raise invalid(path, f"no hyper_parameters in it: {_FIX}")
        known = inspect.signature(BeatThis).parameters
        tensors = {
            name.replace("_orig_mod.", "").removeprefix("model."): tensor
            for name, tensor in take_tensors(content.get("state_dict"), path).items()
        }
        try:
            network = BeatThis(**{name: v for name, v in given.items() if name in known})
            network.load_state_dict(tensors)
        except (RuntimeError, TypeError, ValueError, AssertionError) as error:
            raise invalid(path, f"not a checkpoint of Beat This!: {_FIX}") from error
        self._device = choose_compute(device.partition(",")[0]).device
        self._network = network.to(self._device).eval().requires_grad_(False)
        filters = mel_filter_bank(
            FFT // 2 + 1, BANDS, LOWEST, HIGHEST, RATE, norm=None, mel_scale="slaney"
        )
        self._filters = torch.from_numpy(filters.astype(np.float32))
        self.revision = revision_of("beat-this", tensors, *_METHOD)

    def extract(self, sound: Mono) -> Sequence[Content]:
        """See ``Extractor``."""
        with torch.inference_mode():
            scores = self._scores(self._spectrogram(torch.from_numpy(sound)))
        activations = 1.0 / (1.0 + np.exp(-scores.astype(np.float64)))
        times, downbeats = pick_beats(scores)
        return activations.astype(np.float32), number_beats(times, downbeats)

    def close(self) -> None:
        """See ``Extractor``."""

    def _spectrogram(self, sound: torch.Tensor) -> torch.Tensor:
        """Logarithmic mel amplitudes, (T, 128)."""
        if len(sound) <= FFT // 2:
            sound = functional.pad(sound, (0, FFT // 2 + 1 - len(sound)))
        window = torch.hann_window(FFT)
        spectrum = torch.stft(
            sound, FFT, HOP, window=window, pad_mode="reflect", normalized=True, return_complex=True
        )
        return torch.log1p(1000.0 * (spectrum.abs().T @ self._filters))

    def _scores(self, spectrogram: torch.Tensor) -> NDArray[np.float32]:
        """Logits of beat and downbeat, (T, 2)."""
        count = len(spectrogram)
        scores = np.full((count, 2), -1000.0, dtype=np.float32)
        # The last piece first, so that where two overlap the earlier one counts, as published.
        for start in reversed(piece_starts(count)):
            first, last = max(0, start), min(count, start + PIECE)
            left, right = max(0, -start), max(0, min(BORDER, start + PIECE - count))
            piece = functional.pad(spectrogram[first:last], (0, 0, left, right))
            found = self._network(piece[None].to(self._device))
            both = torch.stack([found["beat"][0], found["downbeat"][0]], dim=1)[BORDER:-BORDER]
            scores[start + BORDER : start + BORDER + len(both)] = both.float().cpu().numpy()
        return scores


def piece_starts(count: int) -> list[int]:
    """Where pieces of ``count`` frames begin; the last one ends at the border after the sound."""
    step = PIECE - 2 * BORDER
    starts = list(range(-BORDER, count - BORDER, step))
    if count > step:
        starts[-1] = count - (PIECE - BORDER)
    return starts


def pick_beats(scores: Frames) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Seconds of beats and of downbeats: the greatest score around, above one half.

    A downbeat belongs to the nearest beat, and there is none without beats.
    """
    beats, downbeats = (_peaks(scores[:, column]) for column in range(2))
    if not len(beats):
        return (), ()
    nearest = np.abs(beats[None, :] - downbeats[:, None]).argmin(axis=1)
    return tuple(beats.tolist()), tuple(np.unique(beats[nearest]).tolist())


def _peaks(scores: NDArray[np.float32]) -> NDArray[np.float64]:
    around = np.lib.stride_tricks.sliding_window_view(
        np.pad(scores, NEAR, constant_values=-np.inf), 2 * NEAR + 1
    )
    frames = np.flatnonzero((scores == around.max(axis=1)) & (scores > 0))
    # Neighbours with the same score are one beat, in their middle.
    groups = np.split(frames, np.flatnonzero(np.diff(frames) > 1) + 1)
    return np.asarray([group.mean() / FPS for group in groups if len(group)], dtype=np.float64)
