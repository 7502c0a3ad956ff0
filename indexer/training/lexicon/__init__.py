"""Words for the attributes, by language."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files

from indexer.training.grooves import grooves

LANGUAGES = ("en", "zh", "es", "hi", "ar", "fr", "bn", "pt", "ru", "ja", "de")
"""English, and the ten other languages with the most speakers, but for Urdu, plus German."""


@dataclass(frozen=True, slots=True)
class Lexicon:
    """Words of one language.

    Attributes:
        forms: By attribute, and by what they are in a sentence (``adj``, ``noun``, ``piece``,
            ``say``), the words for it.
        negation: Patterns that deny a noun or an adjective.
        piece: Words for music in general.
        filler: What people type around what they mean.
        order: Whether adjectives stand ``before`` the noun or ``after`` it; ``none`` for languages
            without spaces, where they stand before it.
        link: Words between the music and what plays it.
        both: Word between two nouns.
        others: As ``forms``: words that captions use beside those, less often.
    """

    forms: Mapping[str, Mapping[str, Sequence[str]]]
    negation: Mapping[str, Sequence[str]]
    piece: Sequence[str]
    filler: Sequence[str]
    order: str = "before"
    link: Sequence[str] = ()
    both: str = " and "
    others: Mapping[str, Mapping[str, Sequence[str]]] = field(default_factory=dict)

    def phrases(self) -> list[str]:
        """Everything that can be said, for a vocabulary."""
        said = [p for forms in self.forms.values() for words in forms.values() for p in words]
        denied = [
            pattern.replace("{}", " ") for words in self.negation.values() for pattern in words
        ]
        return [*said, *denied, *self.piece, *self.filler, *self.link, self.both]


@cache
def lexicon(language: str) -> Lexicon:
    """The lexicon of one of ``LANGUAGES``."""
    text = (files("indexer.training.lexicon") / f"{language}.toml").read_text(encoding="utf-8")
    table = tomllib.loads(text)
    words, negation = table.pop("words"), table.pop("negation")
    forms: dict[str, dict[str, Sequence[str]]] = {}
    if language == "en":
        forms = table
        for name, groove in grooves().items():
            forms["genre " + name] = {"piece": groove.names}
        return Lexicon(forms, negation, words["piece"], words["filler"])
    for form in ("adj", "noun", "piece"):
        for attribute, said in table[form].items():
            forms.setdefault(attribute, {})[form] = said
    return Lexicon(
        forms,
        negation,
        words["piece"],
        words["filler"],
        table["order"],
        table["with"],
        table["and"],
    )
