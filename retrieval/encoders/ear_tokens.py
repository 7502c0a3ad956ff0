"""Words of a query as the ear reads them: known words, and the pieces that any word is made of."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache

BUCKETS = 8_192
"""Pieces of words are told apart up to this number."""
LONGEST = 40
"""Words that are read of a query."""

# Vowel signs of Arabic and of India's scripts are no letters to the pattern language.
_WORD = re.compile(r"\d+(?:[./]\d+)?|(?:[^\W\d_]|[\u064b-\u065f\u0900-\u0dff\u0e00-\u0e7f])+")
# Scripts that put no space between words: each sign counts, and each pair of neighbours.
_UNSPACED = re.compile(r"[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_MOST_PIECES = 40
_FAMILIAR = 0.7
"""Share of a word's runs that must be those of learnt words."""


@dataclass(frozen=True, slots=True)
class Token:
    """One word: its place in the vocabulary, 0 if it has none, and the buckets of its pieces."""

    word: int
    pieces: tuple[int, ...]


def split(text: str) -> list[str]:
    """The words of a text, folded: lower case, without accents on Latin letters.

    Signs of scripts without spaces come one by one and in pairs.
    """
    found: list[str] = []
    for match in _WORD.finditer(fold(text)):
        word = match.group()
        if _UNSPACED.search(word):
            found.extend(word)
            found.extend(word[i : i + 2] for i in range(len(word) - 1))
        else:
            found.append(word)
    return found[:LONGEST]


def fold(text: str) -> str:
    """Lower case, compatibility forms resolved, Latin and Greek and Cyrillic accents dropped."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    kept = [c for c in decomposed if not "\u0300" <= c <= "\u036f"]
    return unicodedata.normalize("NFC", "".join(kept))


def tokens(text: str, vocabulary: Mapping[str, int]) -> list[Token]:
    """What the text tower reads; empty if there is no word in the text."""
    return [Token(vocabulary.get(word, 0), pieces(word)) for word in split(text)]


class Vocabulary:
    """The words that were learnt, and which others are made of the same pieces.

    Safe from several threads.
    """

    def __init__(self, words: Mapping[str, int]) -> None:
        """Take the words with their places, from 1 on."""
        self._words = words

    def read(self, text: str) -> list[Token]:
        """The words of a text that say something; empty if none does.

        A word that was never learnt says something if it is made of pieces that were ("pianos",
        "saxophonist"), as names are not: of them, the tower would make any vector at all.
        """
        return [
            Token(self._words.get(word, 0), pieces(word)) for word in split(text) if self._is(word)
        ]

    def _is(self, word: str) -> bool:
        if word in self._words:
            return True
        known = [run in self._runs for run in runs(word)]
        return sum(known) >= _FAMILIAR * len(known)

    @cached_property
    def _runs(self) -> frozenset[str]:
        return frozenset(run for word in self._words for run in runs(word))


@lru_cache(maxsize=20_000)
def pieces(word: str) -> tuple[int, ...]:
    """Buckets of a word's runs."""
    return tuple(fnv1a(run) % BUCKETS for run in runs(word))


def runs(word: str) -> list[str]:
    """The runs of 3 to 5 letters of a word between its two ends, at most 40."""
    marked = f"<{word}>"
    found = [
        marked[start : start + length]
        for length in (3, 4, 5)
        for start in range(len(marked) - length + 1)
    ]
    return (found or [marked])[:_MOST_PIECES]


def fnv1a(text: str) -> int:
    """Fowler, Noll and Vo's hash of 32 bits: the same in every process, as Python's is not."""
    value = 0x811C9DC5
    for byte in text.encode("utf-8"):
        value = ((value ^ byte) * 0x01000193) & 0xFFFFFFFF
    return value
