"""BTC: chords by a bi-directional transformer (Park et al., ISMIR 2019), on weights of its authors.

It reads a constant-Q transform by librosa, which it was trained
on, 10 s and 108 frames at a time.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from indexer.extractors.btc_network import BINS, HEADS, LAYERS, BtcNetwork
from indexer.extractors.protocol import Content, Mono
from indexer.extractors.weights import find_file, read_checkpoint, revision_of
from indexer.formats.chord_names import NO_CHORD, ROOTS, normal_chord
from indexer.formats.chords import ChordSpan, ChordTrack
from retrieval.encoders.checkpoints import fit, invalid, take_tensors
from retrieval.encoders.device import choose_compute

RATE, HOP = 22_050, 2_048
STEPS, SECONDS = 108, 10.0
"""Frames of a piece, and how long it is."""
BINS_PER_OCTAVE = 24
_METHOD = ("btc", 2, RATE, HOP, STEPS, BINS, BINS_PER_OCTAVE, LAYERS, HEADS)
_QUALITIES = (
    *("min", "maj", "dim", "aug", "min6", "maj6", "min7", "minmaj7", "maj7", "7", "dim7"),
    *("hdim7", "sus2", "sus4"),
)
_FIX = "give btc_model.pt or btc_model_large_voca.pt of jayg996/BTC-ISMIR19"


class Btc:
    """Chords in multiples of 10/108 s; 25 of them, or 170 from the large vocabulary."""

    def __init__(self, weights: Path, *, device: str) -> None:
        """Load.

        Args:
            weights: The checkpoint, or its folder.
            device: As ``choose_device``.

        Raises:
            PreconditionError: MODEL_MISSING or MODEL_INVALID.
            ImportError: If librosa is not installed.
        """
        path = find_file(weights, ["btc*.pt", "btc*.pth"], _FIX)
        content = read_checkpoint(path, allow=_scalars())
        tensors = {
            name: tensor
            for name, tensor in take_tensors(content.get("model"), path).items()
            # Part of every checkpoint, of no chord.
            if not name.startswith("output_layer.lstm.")
        }
        count = len(tensors.get("output_layer.output_projection.bias", ()))
        self._names = chord_list(count)
        if not self._names:
            raise invalid(path, f"no BTC network for 25 or 170 chords: {_FIX}")
        try:
            self._mean, self._deviation = float(content["mean"]), float(content["std"])
        except (KeyError, TypeError, ValueError) as error:
            raise invalid(path, f"no mean and std in it: {_FIX}") from error
        with torch.device("meta"):
            network = BtcNetwork(count)
        fit(network, tensors, path)
        self._device = choose_compute(device.partition(",")[0]).device
        self._network = network.to(self._device)
        scale = (self._mean, self._deviation)
        self.revision = revision_of("btc", tensors, *_METHOD, scale, version("librosa"))

    def extract(self, sound: Mono) -> Sequence[Content]:
        """See ``Extractor``."""
        frames = (constant_q(sound) - self._mean) / self._deviation
        count = len(frames)
        pieces = -(-count // STEPS)
        frames = np.pad(frames, ((0, pieces * STEPS - count), (0, 0)))
        best = []
        with torch.inference_mode():
            for piece in frames.astype(np.float32).reshape(pieces, 1, STEPS, BINS):
                scores = self._network(torch.from_numpy(piece).to(self._device))
                best.append(scores[0].argmax(dim=-1).cpu().numpy())
        chosen = [self._names[number] for number in np.concatenate(best)[:count]]
        return (ChordTrack(_spans(chosen, len(sound) / RATE)),)

    def close(self) -> None:
        """See ``Extractor``."""


def chord_list(count: int) -> tuple[str, ...]:
    """The chords of a network with so many scores, in their order; empty if there is no such."""
    if count == 2 * len(ROOTS) + 1:
        return (*(f"{root}{mode}" for root in ROOTS for mode in ("", ":min")), NO_CHORD)
    if count == len(_QUALITIES) * len(ROOTS) + 2:
        labels = [f"{root}:{quality}" for root in ROOTS for quality in _QUALITIES]
        return (*(normal_chord(label) or NO_CHORD for label in labels), NO_CHORD, NO_CHORD)
    return ()


def constant_q(sound: Mono) -> NDArray[np.float64]:
    """Logarithmic constant-Q transform, (frames, 144), each 10 s on their own as in training."""
    import librosa

    length = round(SECONDS * RATE)
    parts = []
    for start in range(0, len(sound), length):
        piece = sound[start : start + length]
        with warnings.catch_warnings():
            # It refuses one sample; what else is short it fills up, as in training, and warns.
            warnings.simplefilter("ignore", UserWarning)
            found = librosa.cqt(
                np.pad(piece, (0, max(0, 2 - len(piece)))),
                sr=RATE,
                n_bins=BINS,
                bins_per_octave=BINS_PER_OCTAVE,
                hop_length=HOP,
            )
        parts.append(found[:, : 1 + len(piece) // HOP])
    return np.asarray(np.log(np.abs(np.concatenate(parts, axis=1)) + 1e-6).T, dtype=np.float64)


def _spans(names: Sequence[str], duration: float) -> tuple[ChordSpan, ...]:
    spans: list[ChordSpan] = []
    for number, name in enumerate(names):
        start = number * SECONDS / STEPS
        if start >= duration:
            break
        end = min(duration, (number + 1) * SECONDS / STEPS)
        if spans and spans[-1].name == name:
            start = spans.pop().start
        spans.append(ChordSpan(round(start, 3), round(end, 3), name))
    if spans and spans[-1].end < duration:
        last = spans.pop()
        spans.append(ChordSpan(last.start, round(duration, 3), last.name))
    return tuple(spans)


def _scalars() -> list[Any]:
    """Globals that a pickled NumPy number names, of NumPy 1 and 2; they hold no code."""
    from numpy._core.multiarray import scalar

    return [
        (scalar, "numpy.core.multiarray.scalar"),
        (scalar, "numpy._core.multiarray.scalar"),
        np.dtype,
        np.dtypes.Float64DType,
        np.dtypes.Float32DType,
    ]
