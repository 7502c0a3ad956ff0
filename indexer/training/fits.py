"""The ear's cohort: what tells whether the best of a library is what was asked for, and how well.

A trial asks a library made up of known tracks for one attribute in plain words: once with some
tracks that have it, once with none. See ``retrieval.encoders.cohort`` for what is fitted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from indexer.training.attributes import NAMES, UNDECIDED
from indexer.training.evaluate import Heardset, area, first_windows
from indexer.training.export import logistic
from indexer.training.lexicon import lexicon
from retrieval.core.queries import WEAK
from retrieval.encoders.cohort import ORDINARY, Cohort

Array = NDArray[np.float32]
Read = Callable[[str], Array]

HITS = 10
"""Best tracks of each trial whose fits count."""
_SIZES = (20, 40, 80, 120)
"""Tracks of the libraries that the curve is fitted on."""
_EACH = 6
_PRESENT = (1, 2, 5, 10)
_HEARD = 0.9
"""Area under the curve from which on the ear hears an attribute at all."""
_UNIT = 100.0
"""Scores differ by hundredths; the fit of the curve wants numbers near one."""


@dataclass(frozen=True, slots=True, eq=False)
class Tracks:
    """Songs as a library has them: ``vectors`` (n, meaning) of length 1, ``values`` (n, NAMES)."""

    vectors: Array
    values: Array


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """A query and the library it is asked in.

    Attributes:
        attribute: Place in ``NAMES``.
        text: What is asked.
        library: Places of its tracks.
        present: Whether one of them has the attribute.
    """

    attribute: int
    text: str
    library: NDArray[np.int64]
    present: bool


def tracks_of(heard: Heardset) -> Tracks:
    """Every song: the mean direction of its windows; true is what is true of one of them."""
    names = np.asarray(heard.songs)
    vectors, values = [], []
    for song in names[first_windows(heard)]:
        own = names == song
        mean, each = heard.meaning[own].mean(axis=0), heard.values[own]
        vectors.append(mean / np.linalg.norm(mean))
        false = np.where((each == 0.0).all(axis=0), 0.0, UNDECIDED)
        values.append(np.where((each == 1.0).any(axis=0), 1.0, false))
    return Tracks(np.stack(vectors), np.stack(values).astype(np.float32))


def trials(tracks: Tracks, rng: np.random.Generator, size: int) -> Iterator[Trial]:
    """Libraries with and without every attribute that English has words for.

    Where all tracks lack the attribute there are none with it, and the other way round.
    """
    forms = lexicon("en").forms
    for place, name in enumerate(NAMES):
        words = forms.get(name, {})
        texts = [w for form in ("noun", "piece") for w in words.get(form, ())]
        texts += [f"{word} music" for word in words.get("adj", ())]
        true = np.flatnonzero(tracks.values[:, place] == 1.0)
        false = np.flatnonzero(tracks.values[:, place] == 0.0)
        if not texts or len(false) < size:
            continue
        for _ in range(_EACH):
            text = str(rng.choice(texts))
            yield Trial(place, text, rng.choice(false, size, replace=False), present=False)
            if len(true):
                some = rng.choice(true, min(len(true), int(rng.choice(_PRESENT))), replace=False)
                others = rng.choice(false, size - len(some), replace=False)
                yield Trial(place, text, np.concatenate([some, others]), present=True)


def make_cohort(heard: Heardset, read: Read, *, seed: int = 3) -> Cohort:
    """The cohort of windows that were not trained on, with its curve, in dimensions of meaning.

    The curve is a logistic regression (Platt 1999) of presence on the best track of every trial;
    each half of the songs is the library beside the windows of the other.
    """
    songs = np.asarray(heard.songs)
    order = {song: place for place, song in enumerate(dict.fromkeys(heard.songs))}
    odd = np.asarray([order[song] % 2 == 1 for song in songs])
    rng = np.random.default_rng(seed)
    rows, present = [], []
    for half in (odd, ~odd):
        cohort = Cohort(heard.meaning[half], 1.0, 0.0, 0.0)
        tracks = tracks_of(_part(heard, ~half))
        for size in _SIZES:
            for trial in trials(tracks, rng, size):
                text = read(trial.text)
                best = float((tracks.vectors[trial.library] @ text).max()) - cohort.level(text)
                rows.append((_UNIT * best, np.log(size / ORDINARY)))
                present.append(trial.present)
    slope, growth, offset = logistic(np.asarray(rows), np.asarray(present)).tolist()
    return Cohort(heard.meaning.copy(), _UNIT * slope, offset, max(0.0, -growth))


def measure_fits(
    heard: Heardset, read: Read, cohort: Cohort, *, size: int = 100, seed: int = 4
) -> dict[str, float]:
    """What fits are worth on songs that neither towers nor cohort have seen.

    ``heard`` are trials on attributes that the ear tells apart at all (area under the curve of the
    single tracks ``_HEARD`` or more), so that what is measured is the fit and not the ear.

    Args:
        heard: The songs.
        read: The text tower.
        cohort: Of ``make_cohort``.
        size: Tracks of each library.
        seed: Of the libraries.
    """
    tracks = tracks_of(heard)
    best: list[tuple[float, float, bool, bool]] = []
    hits: list[tuple[float, float]] = []
    for trial in trials(tracks, np.random.default_rng(seed), size):
        text = read(trial.text)
        scores = (tracks.vectors[trial.library] @ text).astype(np.float64)
        truth = tracks.values[trial.library, trial.attribute]
        fits = cohort.fits(text, scores.tolist(), size)
        best.append((fits.max(), scores.max(), trial.present, _audible(tracks, trial, read)))
        top = np.argsort(-scores)[:HITS]
        hits += [(fits[n], truth[n]) for n in top if truth[n] != UNDECIDED]
    fit, cosine, present, audible = (np.asarray(column) for column in zip(*best, strict=True))
    each, true = np.asarray(hits).T
    found = {"AUROC of hits": area(each[true == 1.0], each[true == 0.0])}
    for name, kept in (("", np.ones(len(best), dtype=np.bool_)), (", heard", audible)):
        with_it, without = kept & present, kept & ~present
        if not (with_it.any() and without.any()):
            continue
        found |= {
            f"trials{name}": float(kept.sum()),
            f"AUROC{name}": area(fit[with_it], fit[without]),
            f"AUROC of the cosine{name}": area(cosine[with_it], cosine[without]),
            f"present, not weak{name}": float((fit[with_it] >= WEAK).mean()),
            f"absent, weak{name}": float((fit[without] < WEAK).mean()),
        }
    return found


def _audible(tracks: Tracks, trial: Trial, read: Read) -> bool:
    values = tracks.values[:, trial.attribute]
    scores = tracks.vectors @ read(trial.text)
    true, false = scores[values == 1.0], scores[values == 0.0]
    return min(len(true), len(false)) > 1 and area(true, false) >= _HEARD


def _part(heard: Heardset, kept: NDArray[np.bool_]) -> Heardset:
    return Heardset(
        heard.meaning[kept],
        heard.identity[kept],
        heard.logits[kept],
        heard.values[kept],
        tuple(np.asarray(heard.songs)[kept].tolist()),
        tuple(solo for solo, keep in zip(heard.solos, kept, strict=True) if keep),
    )
