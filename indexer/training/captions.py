"""Captions: texts composed of attributes, each with what it claims and what it denies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from indexer.training.attributes import NAMES, PLACE
from indexer.training.lexicon import LANGUAGES, Lexicon, lexicon

_SHARES = (0.76, *[0.024] * (len(LANGUAGES) - 1))


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


class Captioner:
    """Writes captions, most of them in English."""

    def __init__(self) -> None:
        self._lexicon = lexicon("en")
        self._words = self._lexicon.forms

    def write(self, values: NDArray[np.float32], rng: np.random.Generator) -> Caption:
        """One caption that is true of a window with these attributes."""
        language = str(rng.choice(LANGUAGES, p=_SHARES))
        if language != "en":
            return foreign(lexicon(language), values, rng)
        true = [NAMES[i] for i in np.flatnonzero(values == 1.0) if NAMES[i] in self._words]
        false = [NAMES[i] for i in np.flatnonzero(values == 0.0) if NAMES[i] in self._words]
        kind = str(rng.choice(["full", "tags", "short", "single"], p=[0.4, 0.17, 0.3, 0.13]))
        make = {
            "full": self._full,
            "tags": self._tags,
            "short": self._short,
            "single": self._single,
        }[kind]
        claims: list[str] = []
        denials: list[str] = []
        text = make(true, false, claims, denials, rng)
        if rng.random() < 0.08:
            text = f"{rng.choice(self._lexicon.filler)} {text}"
        if rng.random() < 0.3:
            text = _cased(text, rng)
        return Caption(
            " ".join(text.split()),
            tuple(sorted({PLACE[name] for name in claims})),
            tuple(sorted({PLACE[name] for name in denials})),
        )

    def full(self, values: NDArray[np.float32], rng: np.random.Generator) -> Caption:
        """A caption that says much of what is true of a window, and nothing that is not so."""
        true = [NAMES[i] for i in np.flatnonzero(values == 1.0) if NAMES[i] in self._words]
        claims: list[str] = []
        adjectives = self._pick(true, "adj", 3, claims, rng)
        pieces = self._pick(true, "piece", 1, claims, rng) or ["music"]
        exact = [name for name in true if name.startswith(("instrument ", "sound "))]
        nouns = self._nouns(exact or true, 6, claims, rng)
        says = self._pick(true, "say", 2, claims, rng)
        text = f"{_join(adjectives, ', ')} {pieces[0]} with {_listed(nouns, rng)}"
        text = ", ".join([text, *says])
        return Caption(text, tuple(sorted({PLACE[name] for name in claims})), ())

    def _full(
        self,
        true: list[str],
        false: list[str],
        claims: list[str],
        denials: list[str],
        rng: np.random.Generator,
    ) -> str:
        adjectives = self._pick(true, "adj", int(rng.integers(0, 4)), claims, rng)
        pieces = self._pick(true, "piece", 1 if rng.random() < 0.75 else 0, claims, rng)
        piece = pieces[0] if pieces else str(rng.choice(self._lexicon.piece))
        nouns = self._nouns(true, int(rng.integers(1, 6)), claims, rng)
        says = self._pick(true, "say", int(rng.choice([0, 0, 1, 2])), claims, rng)
        out = f"{_join(adjectives, ', ' if rng.random() < 0.5 else ' ')} {piece}"
        if nouns:
            link = str(rng.choice(["with", "for", "played by", "featuring", "on", ":", "of"]))
            out += f" {link} {_listed(nouns, rng)}"
        for clause in says:
            out += f"{',' if rng.random() < 0.5 else ''} {clause}"
        if rng.random() < 0.25:
            out += f"{',' if rng.random() < 0.5 else ''} {self._denial(false, denials, rng)}"
        return out

    def _tags(
        self,
        true: list[str],
        false: list[str],
        claims: list[str],
        denials: list[str],
        rng: np.random.Generator,
    ) -> str:
        parts = [
            *self._pick(true, "adj", int(rng.integers(0, 4)), claims, rng),
            *self._pick(true, "piece", int(rng.integers(0, 2)), claims, rng),
            *self._nouns(true, int(rng.integers(1, 5)), claims, rng),
            *self._pick(true, "say", int(rng.integers(0, 2)), claims, rng),
        ]
        rng.shuffle(parts)
        if rng.random() < 0.2:
            parts.append(self._denial(false, denials, rng))
        return (", " if rng.random() < 0.8 else " ").join(parts)

    def _short(
        self,
        true: list[str],
        false: list[str],
        claims: list[str],
        denials: list[str],
        rng: np.random.Generator,
    ) -> str:
        shape = rng.random()
        if shape < 0.3:
            nouns = self._nouns(true, 1, claims, rng)
            if "solo" in true and rng.random() < 0.5:
                claims.append("solo")
                word = nouns[0] if nouns else ""
                return f"solo {word}" if rng.random() < 0.7 else f"{word} solo"
            return " ".join([*self._pick(true, "adj", 1, claims, rng), *nouns])
        if shape < 0.5:
            pieces = self._pick(true, "piece", 1, claims, rng)
            word = pieces[0] if pieces else str(rng.choice(self._lexicon.piece))
            return f"{word} with {_listed(self._nouns(true, 2, claims, rng), rng)}"
        if shape < 0.7:
            word = str(rng.choice(self._lexicon.piece))
            return f"{_join(self._pick(true, 'adj', 2, claims, rng), ' ')} {word}"
        head = [
            *self._pick(true, "adj", int(rng.integers(0, 2)), claims, rng),
            *self._nouns(true, 1, claims, rng),
        ]
        comma = "," if rng.random() < 0.5 else ""
        return f"{' '.join(head)}{comma} {self._denial(false, denials, rng)}"

    def _single(
        self,
        true: list[str],
        false: list[str],
        claims: list[str],
        denials: list[str],
        rng: np.random.Generator,
    ) -> str:
        if rng.random() < 0.15:
            return self._denial(false, denials, rng)
        form = str(rng.choice(["adj", "noun", "noun", "piece", "say"]))
        found = (
            self._nouns(true, 1, claims, rng)
            if form == "noun"
            else self._pick(true, form, 1, claims, rng)
        )
        return found[0] if found else " ".join(self._nouns(true, 1, claims, rng))

    def _pick(
        self, true: list[str], form: str, count: int, claims: list[str], rng: np.random.Generator
    ) -> list[str]:
        fitting = [n for n in true if form in self._words[n] and n not in claims and n != "music"]
        chosen = rng.permutation(len(fitting))[:count]
        names = [fitting[int(place)] for place in chosen]
        claims.extend(names)
        return [str(rng.choice(self._words[name][form])) for name in names]

    def _nouns(
        self, true: list[str], count: int, claims: list[str], rng: np.random.Generator
    ) -> list[str]:
        """Things that sound: mostly the instruments themselves, sometimes what they belong to."""
        exact = [n for n in true if n.startswith("instrument ") or n.startswith("sound ")]
        wide = [n for n in true if n.startswith(("family ", "kind ")) or n in {"drums", "voice"}]
        pool = exact + wide if rng.random() < 0.6 else exact or wide
        pool = [name for name in pool if name not in claims]
        chosen = [pool[int(place)] for place in rng.permutation(len(pool))[:count]]
        claims.extend(chosen)
        return [str(rng.choice(self._words[name]["noun"])) for name in chosen]

    def _denial(self, false: list[str], denials: list[str], rng: np.random.Generator) -> str:
        common = [
            n
            for n in false
            if n in {"drums", "voice", "family piano", "kind piano", "kind guitar", "sound speech"}
            or n.startswith("family ")
        ]
        sounding = [n for n in false if n.startswith(("instrument ", "kind ", "sound "))]
        moods = [n for n in false if "adj" in self._words[n]]
        pick = rng.random()
        pool = common if pick < 0.6 else sounding if pick < 0.8 else moods
        if not pool:
            return ""
        name = pool[int(rng.integers(len(pool)))]
        denials.append(name)
        form = "noun" if "noun" in self._words[name] else "adj"
        word = str(rng.choice(self._words[name][form]))
        for article in ("a ", "an ", "the "):
            word = word.removeprefix(article)
        return str(rng.choice(self._lexicon.negation[form])).format(word)


def _join(words: Sequence[str], link: str) -> str:
    return link.join(words)


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
    true = [NAMES[i] for i in np.flatnonzero(values == 1.0) if NAMES[i] in words.forms]
    false = [NAMES[i] for i in np.flatnonzero(values == 0.0) if NAMES[i] in words.forms]
    claims: list[str] = []

    def some(form: str, count: int) -> list[str]:
        fitting = [name for name in true if form in words.forms[name] and name not in claims]
        chosen = [fitting[int(place)] for place in rng.permutation(len(fitting))[:count]]
        claims.extend(chosen)
        return [str(rng.choice(words.forms[name][form])) for name in chosen]

    adjectives = some("adj", int(rng.integers(0, 3)))
    nouns = some("noun", int(rng.integers(0 if adjectives else 1, 4)))
    pieces = some("piece", int(rng.random() < 0.4))
    if not pieces and (rng.random() < 0.5 or not nouns):
        pieces = [str(rng.choice(words.piece))]
    space = "" if words.order == "none" and rng.random() < 0.6 else " "
    head = pieces + adjectives if words.order == "after" else adjectives + pieces
    both = words.both if rng.random() < 0.5 else ", "
    link = str(rng.choice(words.link)) if pieces and nouns else ""
    parts = [*head, link, both.join(nouns)]
    denied: list[str] = []
    if rng.random() < 0.3 and false:
        common = [n for n in false if n in {"drums", "voice"} or n.startswith(("kind ", "family "))]
        pool = common if common and rng.random() < 0.7 else false
        name = pool[int(rng.integers(len(pool)))]
        form = next((f for f in ("noun", "adj") if f in words.forms[name]), None)
        if form is not None:
            pattern = str(rng.choice(words.negation[form]))
            parts.append(pattern.format(rng.choice(words.forms[name][form])))
            denied.append(name)
    if rng.random() < 0.1:
        parts.insert(0, str(rng.choice(words.filler)))
    return Caption(
        space.join(part for part in parts if part),
        tuple(sorted({PLACE[name] for name in claims})),
        tuple(sorted({PLACE[name] for name in denied})),
    )
