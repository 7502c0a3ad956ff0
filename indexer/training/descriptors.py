"""What the numbers of the descriptors of rhythm and harmony come from, and how to fit them anew.

They are kept in ``retrieval/describe/fitted.safetensors``.

::

    OMP_NUM_THREADS=1 python -m indexer.training.descriptors

With Debian's soundfonts and ``pyfluidsynth``. Linear models of fifty numbers or so each, one after
the other, by maximum likelihood with a ridge, on songs of ``songs.fitting``; nothing is set by hand
afterwards. Ten minutes on one core and 3 GB; on one machine the file comes out the same to the
byte, for songs are rendered the same, and on one thread numbers are added in the same order.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import save_file

from indexer.training.songs import Truth, drumming, fitting, heard
from retrieval.describe import fitted, key, tempo
from retrieval.describe.chroma import chroma
from retrieval.describe.evidence import (
    BEAT,
    BETWEEN,
    DOWNBEAT,
    NO_CHORD,
    accent_features,
    chord_features,
    halved,
    silence_features,
)
from retrieval.describe.harmony import harmony
from retrieval.describe.levels import judged
from retrieval.describe.onsets import FRAME_RATE, onsets
from retrieval.describe.protocol import Sound
from retrieval.describe.taps import OFFSETS, emphasised

_PHASES = 48
"""Places of a beat that might be the beat itself."""
_RARER = 5.0
"""How much rarer than among what is fitted to here moments without chords are in music."""
_ELSEWHERE = 0.35
"""How often real music begins, or ends, on another chord than the songs here do."""

Tables = dict[str, NDArray[np.float32]]
Loss = Callable[..., torch.Tensor]


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """A song as it is heard, and its truth."""

    sound: Sound
    truth: Truth


def fit(examples: list[Example], drums: list[Example]) -> None:
    """Fit all tables to songs, and to pieces for drums alone, and write them."""
    tables: Tables = {}
    for step in (_tempo, _beats, _accents, _chords, _levels, _odds, _keys):
        tables |= step(examples, drums)
        # What follows hears with what was just fitted.
        fitted.use(tables)
    save_file(tables, fitted.FILE)


def _tempo(examples: list[Example], drums: list[Example]) -> Tables:
    known = [one for one in (*examples, *drums) if one.truth.bpm]
    inputs = _tensor([tempo.features(one.sound.share(onsets)) for one in known])
    octaves = np.log2(tempo.GRID / np.array([[one.truth.bpm] for one in known], dtype=float))
    near = np.exp(-0.5 * np.square(octaves / 0.025))
    wanted = _tensor(near / near.sum(axis=1, keepdims=True))
    # Columns are of different size: the ridge is for those of deviation 1.
    scale = inputs.std(dim=(0, 1)) + 1e-6

    def loss(weights: torch.Tensor) -> torch.Tensor:
        return -(wanted * torch.log_softmax(inputs / scale @ weights, 1)).sum(1).mean()

    (weights,) = _least(loss, 3e-4, (inputs.shape[2],))
    return {"tempo": weights / scale.numpy()}


def _beats(examples: list[Example], drums: list[Example]) -> Tables:
    """Weights by which of all places of a beat the beat itself stands out."""
    inputs = []
    for one in (*examples, *drums):
        beats = one.truth.beats
        if len(beats):
            rows = emphasised(one.sound)
            at = beats[:, None] + np.arange(_PHASES) / _PHASES * (beats[1] - beats[0])
            frames = np.arange(rows.shape[1])
            folded = [np.interp(at * FRAME_RATE, frames, row).mean(axis=0) for row in rows]
            inputs.append(_moved(np.array(folded)))
    folds = _tensor(inputs)
    wanted = torch.zeros(_PHASES)
    wanted[[0, 1, -1]] = torch.tensor([0.6, 0.2, 0.2])

    def loss(weights: torch.Tensor) -> torch.Tensor:
        scores = torch.einsum("or,norp->np", weights, folds)
        return -(wanted * torch.log_softmax(scores, 1)).sum(1).mean()

    (weights,) = _least(loss, 1e-2, (len(OFFSETS), folds.shape[2]))
    return {"beats": weights}


def _moved(folded: NDArray[np.float64]) -> NDArray[np.float64]:
    """The rows as they are at each offset to both sides, (offsets, rows, phases), around 0."""
    folded = folded - folded.mean(axis=1, keepdims=True)
    moves = [round(offset * _PHASES) for offset in OFFSETS]
    return np.array([0.5 * (np.roll(folded, m, 1) + np.roll(folded, -m, 1)) for m in moves])


def _accents(examples: list[Example], _: list[Example]) -> Tables:
    inputs, labels = [], []
    for one in examples:
        beats = one.truth.beats
        if len(beats):
            edges = halved(beats, beats[-1])
            inputs.append(accent_features(emphasised(one.sound), edges))
            down = np.abs(edges[:-1, None] - one.truth.downbeats).min(axis=1) < 0.01
            on = np.abs(edges[:-1, None] - beats).min(axis=1) < 0.01
            labels.append(np.where(down, DOWNBEAT, np.where(on, BEAT, BETWEEN)))
    rows, classes = _tensor(np.concatenate(inputs)), torch.tensor(np.concatenate(labels))

    def loss(weights: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.cross_entropy(rows @ weights, classes)

    (weights,) = _least(loss, 1e-5, (rows.shape[1], 3))
    usual = np.bincount(classes.numpy(), minlength=3) / len(classes)
    return {"accents": weights, "accents_usual": np.log(usual).astype(np.float32)}


def _chords(examples: list[Example], drums: list[Example]) -> Tables:
    inputs, silences, labels = [], [], []
    for one in examples:
        edges = np.arange(0.0, one.sound.seconds, 0.25)
        middle = (edges[1:] + edges[:-1]) / 2
        found = np.full(len(middle), -1)
        for start, end, chord in one.truth.chords:
            found[(middle >= start) & (middle < end)] = chord
        inputs.append(chord_features(one.sound.share(chroma), edges)[found >= 0])
        silences.append(silence_features(one.sound.share(chroma), edges)[found >= 0])
        labels.append(found[found >= 0])
    for one in drums:
        edges = np.arange(0.0, one.sound.seconds, 0.25)
        inputs.append(chord_features(one.sound.share(chroma), edges))
        silences.append(silence_features(one.sound.share(chroma), edges))
        labels.append(np.full(len(edges) - 1, NO_CHORD))
    turned = np.concatenate(inputs)[:, :, (np.arange(12)[:, None] + np.arange(12)) % 12]
    rows, still = _tensor(turned), _tensor(np.concatenate(silences))
    classes = torch.tensor(np.concatenate(labels))

    def loss(weights: torch.Tensor, modes: torch.Tensor, none: torch.Tensor) -> torch.Tensor:
        scores = torch.einsum("nfrs,qfs->nqr", rows, weights) + modes[:, None]
        scores = torch.cat([scores.reshape(-1, 24), (still @ none)[:, None]], 1)
        return torch.nn.functional.cross_entropy(scores, classes)

    weights, modes, none = _least(loss, 1e-4, (2, 2, 12), (2,), (2,))
    none[1] -= np.log(_RARER)
    return {"chords": weights, "chord_modes": modes, "no_chord": none}


def _levels(examples: list[Example], drums: list[Example]) -> Tables:
    """Weights by which the tempo stands out of the likely ones."""
    inputs, classes = [], []
    for one in (*examples, *drums):
        likely = tempo.candidates(one.sound) if one.truth.bpm else []
        wrong = [abs(bpm / one.truth.bpm - 1.0) for bpm, _ in likely] if one.truth.bpm else []
        if wrong and min(wrong) < 0.04:
            inputs.append([judged(one.sound, *candidate)[0] for candidate in likely])
            classes.append(int(np.argmin(wrong)))
    scale = np.concatenate(inputs).std(axis=0) + 1e-6
    most = max(map(len, inputs))
    # Those that are missing can't win.
    rows, missing = np.zeros((len(inputs), most, len(scale))), np.zeros((len(inputs), most))
    for place, features in enumerate(inputs):
        rows[place, : len(features)] = features / scale
        missing[place, len(features) :] = -1e9
    scaled, none, wanted = _tensor(rows), _tensor(missing), torch.tensor(classes)

    def loss(weights: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.cross_entropy(scaled @ weights + none, wanted)

    (weights,) = _least(loss, 3e-3, (len(scale),))
    return {"levels": (weights / scale).astype(np.float32)}


def _odds(examples: list[Example], _: list[Example]) -> Tables:
    """What the decoder's odds of chords are worth: a logistic regression (Platt, 1999)."""
    odds, right = [], []
    for one in examples:
        found = one.sound.share(harmony)
        middle = (found.edges[1:] + found.edges[:-1]) / 2
        for start, end, chord in one.truth.chords:
            inside = (middle >= start) & (middle < end)
            odds.append(found.odds[inside])
            right.append(found.chords[inside] == chord)
    rows, wanted = _tensor(np.concatenate(odds)), _tensor(np.concatenate(right))

    def loss(weights: torch.Tensor) -> torch.Tensor:
        scores = weights[0] * rows + weights[1]
        return torch.nn.functional.binary_cross_entropy_with_logits(scores, wanted)

    (weights,) = _least(loss, 1e-5, (2,))
    return {"chord_odds": weights}


def _keys(examples: list[Example], _: list[Example]) -> Tables:
    known = [one for one in examples if one.truth.key is not None]
    inputs = np.array([key.features(one.sound) for one in known])
    rng = np.random.default_rng(5)
    # The first and the last chord of real music are the tonic's less often.
    for end in (36, 38):
        some = rng.random(len(known)) < _ELSEWHERE
        inputs[some, :, end : end + 2] = rng.permuted(inputs[some, :, end : end + 2], axis=1)
    rows, classes = _tensor(inputs), torch.tensor([one.truth.key for one in known])

    def loss(weights: torch.Tensor, modes: torch.Tensor) -> torch.Tensor:
        scores = (rows @ weights + modes).transpose(1, 2).reshape(-1, 24)
        return torch.nn.functional.cross_entropy(scores, classes)

    weights, modes = _least(loss, 3e-3, (rows.shape[2], 2), (2,))
    return {"keys": weights, "key_modes": modes}


def _least(loss: Loss, ridge: float, *shapes: tuple[int, ...]) -> list[NDArray[np.float32]]:
    """The weights of least loss with a ridge, from zero; all losses here are convex."""
    weights = [torch.zeros(shape, requires_grad=True) for shape in shapes]
    descent = torch.optim.LBFGS(weights, max_iter=300, line_search_fn="strong_wolfe")

    def evaluate() -> torch.Tensor:
        descent.zero_grad()
        value = loss(*weights) + ridge * sum(torch.sum(w**2) for w in weights)
        value.backward()
        return value

    descent.step(evaluate)
    return [weight.detach().numpy() for weight in weights]


def _tensor(rows: object) -> torch.Tensor:
    return torch.tensor(np.asarray(rows), dtype=torch.float32)


if __name__ == "__main__":
    # The same bits wherever numbers are added up in the same order.
    torch.set_num_threads(1)
    fit(
        [Example(heard(song), song.truth) for song in fitting()],
        [Example(heard(song), song.truth) for song in drumming()],
    )
