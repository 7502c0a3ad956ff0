"""What the network of note density comes from, and how to fit it anew.

It is kept in ``retrieval/describe/density.safetensors``.

::

    python -m indexer.training.density      with Debian's soundfonts, pyfluidsynth and basic-pitch

Fitted on songs of all kinds, from a solo to a full band, on our own synthesiser and three
soundfonts; every eighth of them only tells how sure its figures are. Half an hour on one core.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import save_file

from indexer.training.compose import compose
from indexer.training.songs import RATE, Rendered, fluid, heard, instrument, own
from retrieval.describe import density
from retrieval.describe.notes import Notes, transcribe

SONGS = 440
"""On each of the training soundfonts but for the last."""
STEPS = 3_000
"""Of the descent."""

_SAME = 0.05
"""Seconds within which the same pitch on two instruments is one note."""
_SPOKEN = 0.175
"""Seconds in which the strings of our own synthesiser, whose attack takes 0.35 s, get to half their
level: under some tunes they are to play a dozen notes a second, which nobody could hear begin."""
_HIDDEN = 24
_TAPS = 5
_BATCH, _LENGTH = 12, 1_000
"""Stretches at once, and frames of each, 23 s."""
_RATE = 4e-3
_WARM = 50
"""Steps until the descent is at its full rate."""
_NEAR = 7
"""Frames, 0.16 s, within which it does not matter when a note begins."""
_WHOLE = 0.03
"""Weight of the count of a whole stretch beside that of its frames."""
_CHECKED = 8
_RIGHT = 0.25
"""Share of the truth that a density may be off and be right."""


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """A song as the network hears it.

    Attributes:
        rows: Of ``density.evidence``, (frames, counts).
        begun: Notes that begin in each frame, (frames,).
        seconds: Its length.
        counted: Notes a second that Basic Pitch's activations are transcribed to.
        clear: Their mean strength, 0 without any.
    """

    rows: NDArray[np.float32]
    begun: NDArray[np.float32]
    seconds: float
    counted: float
    clear: float


def beginnings(song: Rendered) -> list[float]:
    """When the pitched notes of a song begin, in seconds; drums have none.

    All that the score says counts, but for what our own strings let go before they speak.
    """
    slow = "strings" if song.rate == RATE else ""
    return distinct(
        (note.pitch, note.start)
        for voice in song.song.voices
        if voice.timbre != "drums"
        for note in voice.line
        if instrument(voice) != slow or note.end - note.start >= _SPOKEN
    )


def distinct(notes: Iterable[tuple[int, float]]) -> list[float]:
    """When notes of these pitches and starts in seconds begin; unisons are one note."""
    found, last = [], (-1, 0.0)
    for pitch, start in sorted(notes):
        if pitch != last[0] or start - last[1] > _SAME:
            found.append(start)
        last = (pitch, start)
    return found


def fitting() -> Iterator[Rendered]:
    """The songs to fit to."""
    return chain(
        own(map(compose, range(11_000_000, 11_000_000 + SONGS))),
        fluid(("FluidR3_GM.sf2",), map(compose, range(12_000_000, 12_000_000 + SONGS))),
        fluid(("TimGM6mb.sf2",), map(compose, range(13_000_000, 13_000_000 + SONGS))),
        fluid(("OPL-3_FM_128M.sf2",), map(compose, range(14_000_000, 14_000_000 + SONGS // 4))),
    )


def example(notes: Notes, song: Rendered) -> Example:
    """A song as the network hears it."""
    sound = heard(song)
    activations = notes.activations(sound.samples)
    rows = density.evidence(sound, activations)
    frames = np.round(np.array(beginnings(song)) * density.FRAME_RATE).astype(np.intp)
    begun = np.bincount(np.minimum(frames, len(rows) - 1), minlength=len(rows))
    strengths = transcribe(*activations[1:])[3]
    return Example(
        rows=rows,
        begun=begun.astype(np.float32),
        seconds=sound.seconds,
        counted=len(strengths) / sound.seconds,
        clear=float(strengths.mean()) if len(strengths) else 0.0,
    )


class Network(torch.nn.Module):  # type: ignore[misc] # PyTorch is not followed
    """What ``density.rates`` computes, to be fitted."""

    def __init__(self, scale: NDArray[np.float32]) -> None:
        """Start anywhere.

        Args:
            scale: Of each count of the evidence, (counts,).
        """
        super().__init__()
        self.scale = scale
        self.first = torch.nn.Conv1d(2 * len(scale), _HIDDEN, _TAPS, padding=_TAPS // 2)
        self.dilated = torch.nn.ModuleList(
            torch.nn.Conv1d(_HIDDEN, _HIDDEN, _TAPS, padding=d * (_TAPS // 2), dilation=d)
            for d in density.DILATIONS
        )
        self.dropped = torch.nn.Dropout1d(0.08)
        self.gate = torch.nn.Linear(2 * _HIDDEN, _HIDDEN)
        self.rate = torch.nn.Linear(_HIDDEN, 1)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Notes that begin in each frame, (batch, frames), of rows, (batch, frames, counts)."""
        scaled = rows.transpose(1, 2) / torch.from_numpy(self.scale)[:, None]
        heard = torch.cat([scaled, torch.log1p(4.0 * scaled)], 1)
        heard = self.dropped(torch.relu(self.first(heard)))
        for layer in self.dilated:
            heard = heard + torch.relu(layer(heard))
        whole = torch.cat([heard.mean(2), heard.std(2, correction=0)], 1)
        gated = heard * (2.0 * torch.sigmoid(self.gate(whole)))[:, :, None]
        return torch.nn.functional.softplus(self.rate(gated.transpose(1, 2)))[:, :, 0]

    def tables(self) -> dict[str, NDArray[np.float32]]:
        """As ``density.rates`` takes them."""
        found = {"scale": self.scale}
        names = ("first", *(f"dilated{dilation}" for dilation in density.DILATIONS))
        for name, layer in zip(names, (self.first, *self.dilated), strict=True):
            found[name] = layer.weight.detach().numpy().transpose(2, 1, 0)
            found[f"{name}.bias"] = layer.bias.detach().numpy()
        found["gate"] = self.gate.weight.detach().numpy().T
        found["gate.bias"] = self.gate.bias.detach().numpy()
        found["rate"] = self.rate.weight.detach().numpy()[0]
        found["rate.bias"] = self.rate.bias.detach().numpy()
        return {name: np.ascontiguousarray(table) for name, table in found.items()}


def fit(examples: Iterable[Example], steps: int = STEPS) -> None:
    """Fit the network, and what tells how sure it is, and write both."""
    known = list(examples)
    fitted = [one for place, one in enumerate(known) if place % _CHECKED]
    tables = _network(fitted, steps).tables()
    tables |= {"sure": _sure(known[::_CHECKED], tables)}
    save_file(tables, density.FILE)


def _network(examples: list[Example], steps: int) -> Network:
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    scale = np.sqrt(np.mean([np.square(one.rows).mean(axis=0) for one in examples], axis=0)) + 1e-3
    network = Network(scale.astype(np.float32))
    descent = torch.optim.AdamW(network.parameters(), lr=_RATE, weight_decay=1e-2)
    course = torch.optim.lr_scheduler.LambdaLR(
        descent,
        lambda step: (
            min(1.0, (step + 1) / _WARM)
            * max(0.01, 0.5 + 0.5 * float(np.cos(np.pi * step / steps)))
        ),
    )
    for _ in range(steps):
        rows, begun = _stretches(examples, rng)
        expected = network(rows)
        near, true = _near(expected) + 1e-4, _near(begun)
        # Poisson's likelihood.
        loss = (near - true * torch.log(near)).mean()
        total, truth = expected.sum(1), begun.sum(1)
        loss = loss + _WHOLE * (torch.sqrt(total + 1.0) - torch.sqrt(truth + 1.0)).square().mean()
        descent.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        descent.step()
        course.step()
    network.eval()
    return network


def _stretches(
    examples: list[Example], rng: np.random.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    rows, begun = [], []
    for place in rng.integers(len(examples), size=_BATCH):
        one = examples[place]
        first = int(rng.integers(max(1, len(one.rows) - _LENGTH)))
        missing = max(0, _LENGTH - len(one.rows))
        rows.append(np.pad(one.rows[first : first + _LENGTH], ((0, missing), (0, 0))))
        begun.append(np.pad(one.begun[first : first + _LENGTH], (0, missing)))
    return torch.from_numpy(np.stack(rows)), torch.from_numpy(np.stack(begun))


def _near(counts: torch.Tensor) -> torch.Tensor:
    pooled = torch.nn.functional.avg_pool1d(counts[:, None], _NEAR, 1, _NEAR // 2)
    return pooled[:, 0] * _NEAR


def _sure(
    examples: list[Example], tables: Mapping[str, NDArray[np.float32]]
) -> NDArray[np.float32]:
    """Weights by which a density is as sure as it is often right, by Newton's method."""
    told = [
        density.settled(density.expected(one.rows, tables) / one.seconds, one.counted)
        for one in examples
    ]
    true = np.array([one.begun.sum() / one.seconds for one in examples])
    rows = np.array(
        [
            density.doubts(number, one.counted, one.clear)
            for number, one in zip(told, examples, strict=True)
        ]
    )
    right = np.abs(np.array(told) - true) < _RIGHT * (1.0 + true)
    weights = np.zeros(rows.shape[1])
    ridge = np.eye(len(weights))
    for _ in range(20):
        chance = 1.0 / (1.0 + np.exp(-rows @ weights))
        slope = rows.T @ (right - chance) - ridge @ weights
        weights += np.linalg.solve((rows.T * (chance * (1.0 - chance))) @ rows + ridge, slope)
    return weights.astype(np.float32)


if __name__ == "__main__":
    torch.set_num_threads(1)
    model = Notes()
    fit(example(model, song) for song in fitting())
