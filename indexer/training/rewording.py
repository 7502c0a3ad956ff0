"""Whether a query in other words finds what it finds in the lexicon's own."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from indexer.training.attributes import PLACE
from indexer.training.captions import Captioner, Words
from indexer.training.evaluate import Heardset, Read, first_windows
from indexer.training.lexicon import lexicon

_FIRST = 10
_FEWEST = 30
"""Songs that must have an attribute, and that must not, for its words to be compared."""


def captions_reworded(
    heard: Heardset, read: Read, others: Words, seed: int = 7
) -> dict[str, float]:
    """Full captions against one window a song, as they are and with all words replaced that can be.

    Args:
        heard: The songs.
        read: The text tower.
        others: Words beside the lexicon's (``wordnet.synonyms``).
        seed: Of the captions.

    Returns:
        ``kept`` is the share of captions with their song among the first ten whose rewording has
        it there too.
    """
    places = first_windows(heard)
    pool = heard.meaning[places]
    captioner, rng = Captioner(), np.random.default_rng(seed)
    found = []
    for row, place in enumerate(places):
        texts = captioner.reworded(heard.values[place], rng, others)
        if texts[0] != texts[1]:
            found.append([_rank(pool @ read(text), row) <= _FIRST for text in texts])
    ours, theirs = np.asarray(found).T
    return {
        "captions": float(len(found)),
        "R@10": float(ours.mean()),
        "R@10 reworded": float(theirs.mean()),
        "kept": float(theirs[ours].mean()),
    }


def words_replaced(heard: Heardset, read: Read, others: Words) -> dict[str, float]:
    """One attribute asked for in one word: what share of the first ten songs has it.

    Returns:
        Means over attributes in the lexicon's words and in the others; ``as good`` is the share of
        the other words that find no more than one song fewer than the lexicon's do on average.
    """
    places = first_windows(heard)
    pool, values = heard.meaning[places], heard.values[places]
    own, other, good = [], [], []
    for name, forms in others.items():
        truth = values[:, PLACE[name]]
        if min((truth == 1.0).sum(), (truth == 0.0).sum()) < _FEWEST:
            continue
        for form, words in forms.items():
            plain = np.mean(_shares(lexicon("en").forms[name][form], form, pool, truth, read))
            each = _shares(words, form, pool, truth, read)
            own.append(plain)
            other.append(np.mean(each))
            good += [share >= plain - 1.0 / _FIRST for share in each]
    return {
        "attributes": float(len(own)),
        "words": float(len(good)),
        "first ten": float(np.mean(own)),
        "first ten, other words": float(np.mean(other)),
        "as good": float(np.mean(good)),
    }


def _shares(
    words: Sequence[str],
    form: str,
    pool: NDArray[np.float32],
    truth: NDArray[np.float32],
    read: Read,
) -> list[float]:
    texts = [f"{word} music" if form == "adj" else word for word in words]
    best = [np.argsort(-(pool @ read(text)))[:_FIRST] for text in texts]
    return [float((truth[some] == 1.0).mean()) for some in best]


def _rank(scores: NDArray[np.float32], row: int) -> int:
    return 1 + int((scores > scores[row]).sum())
