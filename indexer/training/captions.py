"""Captions: texts composed of attributes, each with what it claims and what it denies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from indexer.training.attributes import NAMES, PLACE
from indexer.training.lexicon import LANGUAGES, Lexicon, lexicon

Words = Mapping[str, Mapping[str, Sequence[str]]]
"""By attribute and form, as ``Lexicon.forms``."""

_SHARES = (0.76, *[0.024] * (len(LANGUAGES) - 1))
_OTHERS = 0.35
"""How often one of the other words stands for an attribute that has some."""


@dataclass(frozen=True, slots=True)
class Caption:
    """A text and its meaning.

    Attributes:
        text: As a user would type it.
        claimed: Places in ``attributes.NAMES`` that it says are true.
        denied: Places that it says are not.
    """

    text: str
    claimed: tuple[int, ...]
    denied: tuple[int, ...]


class _Draft:
    """A caption of a window while it is being written: what is true, and what was said of it."""

    def __init__(
        self, words: Lexicon, values: NDArray[np.float32], rng: np.random.Generator
    ) -> None:
        self.words, self.rng = words, rng
        self.true = [NAMES[i] for i in np.flatnonzero(values == 1.0) if NAMES[i] in words.forms]
        self.false = [NAMES[i] for i in np.flatnonzero(values == 0.0) if NAMES[i] in words.forms]
        self.claims: list[str] = []
        self.denials: list[str] = []
        self.used: list[tuple[str, str, str]] = []

    def pick(self, form: str, count: int) -> list[str]:
        """Words of one form for true attributes that were not said yet."""
        forms = self.words.forms
        fitting = [n for n in self.true if form in forms[n] and n != "music"]
        return self._said(fitting, form, count)

    def nouns(self, count: int, *, wide: float = 0.6) -> list[str]:
        """Things that sound: the instruments, at times among what they belong to (``wide``)."""
        exact = [n for n in self.true if n.startswith(("instrument ", "sound "))]
        kinds = [
            n for n in self.true if n.startswith(("family ", "kind ")) or n in {"drums", "voice"}
        ]
        pool = exact + kinds if self.rng.random() < wide else exact or kinds
        return self._said(pool, "noun", count)

    def denial(self) -> str:
        """A phrase that denies what is false; empty if nothing is."""
        names = {"drums", "voice", "kind piano", "kind guitar", "sound speech"}
        common = [n for n in self.false if n in names or n.startswith("family ")]
        sounding = [n for n in self.false if n.startswith(("instrument ", "kind ", "sound "))]
        moods = [n for n in self.false if "adj" in self.words.forms[n]]
        pick = self.rng.random()
        pool = common if pick < 0.6 else sounding if pick < 0.8 else moods
        if not pool:
            return ""
        name = pool[int(self.rng.integers(len(pool)))]
        self.denials.append(name)
        form = "noun" if "noun" in self.words.forms[name] else "adj"
        word = self._word(name, form)
        for article in ("a ", "an ", "the "):
            word = word.removeprefix(article)
        return str(self.rng.choice(self.words.negation[form])).format(word)

    def caption(self, text: str) -> Caption:
        """The caption, with all that was said in it."""
        return Caption(
            " ".join(text.split()),
            tuple(sorted({PLACE[name] for name in self.claims})),
            tuple(sorted({PLACE[name] for name in self.denials})),
        )

    def _said(self, pool: Sequence[str], form: str, count: int) -> list[str]:
        left = [name for name in pool if name not in self.claims]
        names = [left[int(place)] for place in self.rng.permutation(len(left))[:count]]
        self.claims.extend(names)
        return [self._word(name, form) for name in names]

    def _word(self, name: str, form: str) -> str:
        words = self.words.forms[name][form]
        others = self.words.others.get(name, {}).get(form, ())
        if others and self.rng.random() < _OTHERS:
            words = others
        word = str(self.rng.choice(words))
        self.used.append((name, form, word))
        return word


class Captioner:
    """Writes captions, most of them in English."""

    def __init__(self, others: Words | None = None) -> None:
        """Write with the lexicons, and with other English words (``Lexicon.others``)."""
        self._lexicon = replace(lexicon("en"), others=others or {})

    def write(self, values: NDArray[np.float32], rng: np.random.Generator) -> Caption:
        """One caption that is true of a window with these attributes."""
        language = str(rng.choice(LANGUAGES, p=_SHARES))
        if language != "en":
            return foreign(lexicon(language), values, rng)
        kinds = (self._full, self._tags, self._short, self._single)
        make = kinds[int(rng.choice(len(kinds), p=[0.4, 0.17, 0.3, 0.13]))]
        draft = _Draft(self._lexicon, values, rng)
        text = make(draft)
        if rng.random() < 0.08:
            text = f"{rng.choice(self._lexicon.filler)} {text}"
        if rng.random() < 0.3:
            text = _cased(text, rng)
        return draft.caption(text)

    def full(self, values: NDArray[np.float32], rng: np.random.Generator) -> Caption:
        """A caption that says much of what is true of a window, and nothing that is not so."""
        return self._much(_Draft(self._lexicon, values, rng))

    def reworded(
        self, values: NDArray[np.float32], rng: np.random.Generator, others: Words
    ) -> tuple[str, str]:
        """A full caption, and the same in other words wherever there are some."""
        draft = _Draft(self._lexicon, values, rng)
        text = again = self._much(draft).text
        for name, form, word in draft.used:
            if found := others.get(name, {}).get(form):
                again = again.replace(word, str(rng.choice(found)), 1)
        return text, again

    @staticmethod
    def _much(draft: _Draft) -> Caption:
        rng = draft.rng
        adjectives = draft.pick("adj", 3)
        pieces = draft.pick("piece", 1) or ["music"]
        nouns = draft.nouns(6, wide=0.0)
        text = f"{', '.join(adjectives)} {pieces[0]} with {_listed(nouns, rng)}"
        return draft.caption(", ".join([text, *draft.pick("say", 2)]))

    def _full(self, draft: _Draft) -> str:
        rng = draft.rng
        adjectives = draft.pick("adj", int(rng.integers(0, 4)))
        pieces = draft.pick("piece", 1 if rng.random() < 0.75 else 0)
        piece = pieces[0] if pieces else str(rng.choice(self._lexicon.piece))
        nouns = draft.nouns(int(rng.integers(1, 6)))
        says = draft.pick("say", int(rng.choice([0, 0, 1, 2])))
        out = f"{(', ' if rng.random() < 0.5 else ' ').join(adjectives)} {piece}"
        if nouns:
            link = str(rng.choice(["with", "for", "played by", "featuring", "on", ":", "of"]))
            out += f" {link} {_listed(nouns, rng)}"
        for clause in says:
            out += f"{',' if rng.random() < 0.5 else ''} {clause}"
        if rng.random() < 0.25:
            out += f"{',' if rng.random() < 0.5 else ''} {draft.denial()}"
        return out

    def _tags(self, draft: _Draft) -> str:
        rng = draft.rng
        parts = [
            *draft.pick("adj", int(rng.integers(0, 4))),
            *draft.pick("piece", int(rng.integers(0, 2))),
            *draft.nouns(int(rng.integers(1, 5))),
            *draft.pick("say", int(rng.integers(0, 2))),
        ]
        rng.shuffle(parts)
        if rng.random() < 0.2:
            parts.append(draft.denial())
        return (", " if rng.random() < 0.8 else " ").join(parts)

    def _short(self, draft: _Draft) -> str:
        rng = draft.rng
        shape = rng.random()
        if shape < 0.3:
            nouns = draft.nouns(1)
            if "solo" in draft.true and rng.random() < 0.5:
                draft.claims.append("solo")
                word = nouns[0] if nouns else ""
                return f"solo {word}" if rng.random() < 0.7 else f"{word} solo"
            return " ".join([*draft.pick("adj", 1), *nouns])
        if shape < 0.5:
            pieces = draft.pick("piece", 1)
            word = pieces[0] if pieces else str(rng.choice(self._lexicon.piece))
            return f"{word} with {_listed(draft.nouns(2), rng)}"
        if shape < 0.7:
            word = str(rng.choice(self._lexicon.piece))
            return f"{' '.join(draft.pick('adj', 2))} {word}"
        head = [
            *draft.pick("adj", int(rng.integers(0, 2))),
            *draft.nouns(1),
        ]
        comma = "," if rng.random() < 0.5 else ""
        return f"{' '.join(head)}{comma} {draft.denial()}"

    def _single(self, draft: _Draft) -> str:
        rng = draft.rng
        if rng.random() < 0.15:
            return draft.denial()
        form = str(rng.choice(["adj", "noun", "noun", "piece", "say"]))
        found = draft.nouns(1) if form == "noun" else draft.pick(form, 1)
        return found[0] if found else " ".join(draft.nouns(1))


def _listed(words: Sequence[str], rng: np.random.Generator) -> str:
    if len(words) < 2:
        return "".join(words)
    link = str(rng.choice([" and ", " and ", ", ", " + ", " & "]))
    return ", ".join(words[:-1]) + link + words[-1]


def _cased(text: str, rng: np.random.Generator) -> str:
    shape = rng.random()
    if shape < 0.6:
        return text[:1].upper() + text[1:] + ("." if rng.random() < 0.5 else "")
    return text.upper() if shape < 0.7 else text.title()


def foreign(words: Lexicon, values: NDArray[np.float32], rng: np.random.Generator) -> Caption:
    """A plain caption in another language than English."""
    draft = _Draft(words, values, rng)
    adjectives = draft.pick("adj", int(rng.integers(0, 3)))
    nouns = draft.pick("noun", int(rng.integers(0 if adjectives else 1, 4)))
    pieces = draft.pick("piece", int(rng.random() < 0.4))
    if not pieces and (rng.random() < 0.5 or not nouns):
        pieces = [str(rng.choice(words.piece))]
    space = "" if words.order == "none" and rng.random() < 0.6 else " "
    head = pieces + adjectives if words.order == "after" else adjectives + pieces
    both = words.both if rng.random() < 0.5 else ", "
    link = str(rng.choice(words.link)) if pieces and nouns else ""
    parts = [*head, link, both.join(nouns)]
    if rng.random() < 0.3:
        parts.append(draft.denial())
    if rng.random() < 0.1:
        parts.insert(0, str(rng.choice(words.filler)))
    return draft.caption(space.join(part for part in parts if part))
