"""Synonyms from WordNet, where it is installed, for the meanings that ``senses.toml`` names.

WordNet 3.0 is Princeton University's (its licence asks for no more than its notice); Debian has it
as ``wordnet-base``. The format of its files is documented in the manual page wndb(5WN).
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path

from indexer.training.lexicon import lexicon
from retrieval.encoders.ear_tokens import fold

FOLDER = Path("/usr/share/wordnet")
"""Where Debian puts it."""

_FILES = {"n": "noun", "a": "adj"}
_ALIKE = {"n": "~", "a": "&"}
"""Pointers to narrower meanings, and to similar ones."""


class WordNet:
    """Sets of synonyms by the names of their meanings. Holds the indexes, 5 MB."""

    def __init__(self, folder: Path = FOLDER) -> None:
        """Read the indexes of nouns and adjectives.

        Raises:
            FileNotFoundError: If they are not there.
        """
        self._folder = folder
        self._places = {
            (line.split(" ", 1)[0], kind): line
            for kind, name in _FILES.items()
            for line in (folder / f"index.{name}").read_text("ascii").splitlines()
            if not line.startswith(" ")
        }

    def words(self, sense: str) -> list[str]:
        """The words of a meaning.

        Args:
            sense: ``"fast.a.1"`` is the first meaning of the adjective; with ``+`` behind it, those
                that are similar (of adjectives) or narrower (of nouns) too.

        Raises:
            KeyError: If WordNet has no such meaning.
        """
        word, kind, number = sense.removesuffix("+").rsplit(".", 2)
        try:
            fields = self._places[word, kind].split()
            pointers = int(fields[3])
            place = int(fields[6 + pointers :][int(number) - 1])
        except LookupError:
            raise KeyError(f"WordNet has no {sense}") from None
        found, others = self._read(kind, place)
        if sense.endswith("+"):
            found += [word for other in others for word in self._read(kind, other)[0]]
        return found

    def _read(self, kind: str, place: int) -> tuple[list[str], list[int]]:
        with (self._folder / f"data.{_FILES[kind]}").open("rb") as data:
            data.seek(place)
            fields = data.readline().split(b"|")[0].decode("ascii").split()
        count = 4 + 2 * int(fields[3], 16)
        pointers = fields[count + 1 :]
        others = [
            int(pointers[start + 1])
            for start in range(0, 4 * int(fields[count]), 4)
            if pointers[start] == _ALIKE[kind]
        ]
        # Where an adjective may stand is written behind it in brackets.
        plain = [re.sub(r"\(\w+\)$", "", word) for word in fields[4:count:2]]
        return [word.replace("_", " ") for word in plain], others


@cache
def synonyms() -> Mapping[str, Mapping[str, Sequence[str]]]:
    """By attribute, and by form as in ``Lexicon.forms``, words that en.toml does not have.

    Empty where WordNet is not installed.
    """
    if not (FOLDER / "data.noun").is_file():
        return {}
    text = (files("indexer.training.lexicon") / "senses.toml").read_text(encoding="utf-8")
    table = tomllib.loads(text)
    wordnet, left = WordNet(), {_plain(word) for word in table.pop("leave")}
    ours = {_plain(phrase) for phrase in lexicon("en").phrases()}
    found: dict[str, dict[str, Sequence[str]]] = {}
    for attribute, forms in table.items():
        for form, senses in forms.items():
            words = dict.fromkeys(word for sense in senses for word in _said(wordnet, sense))
            kept = [word for word in words if _plain(word) not in ours | left]
            if kept:
                found.setdefault(attribute, {})[form] = kept
    return found


def _said(wordnet: WordNet, sense: str) -> Iterator[str]:
    yield from (fold(word) for word in wordnet.words(sense))


def _plain(phrase: str) -> str:
    """A phrase without its article and hyphens, to compare."""
    return re.sub(r"^(a|an|the) ", "", fold(phrase)).replace("-", " ")
