"""What a word is: the unit of text match, the same in every store."""

from __future__ import annotations

import re
import unicodedata

_ASCII_WORD = re.compile(r"[a-z0-9]+")
# Scripts written without spaces: without a dictionary, a character is the only unit that every
# writer and every query agree on.
_UNSPACED = re.compile(
    "[\u0e00-\u0e7f\u0e80-\u0eff\u1000-\u109f\u1780-\u17ff"  # Thai, Lao, Myanmar, Khmer
    "\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff"  # kana
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"  # Han
)


def words(text: str) -> tuple[str, ...]:
    """The words of a text, in order, repeated ones included.

    A word is a run of letters, digits and combining marks after Unicode compatibility normalisation
    (NFKC) and case folding, so that case, full-width forms and the decomposed accents of macOS file
    names never matter; accents do. Each Han, kana, Thai, Lao, Myanmar or Khmer character is a word
    of its own.

    Args:
        text: Any text.

    Returns:
        Normalised words; empty if the text has no letter and no digit.
    """
    if text.isascii():
        return tuple(_ASCII_WORD.findall(text.lower()))
    # Case folding can leave a string that is no longer normalised; see Unicode 3.13, D146.
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    found: list[str] = []
    run = ""
    for char in folded:
        if char.isalnum():
            if _UNSPACED.match(char):
                if run:
                    found.append(run)
                found.append(char)
                run = ""
            else:
                run += char
        elif run and unicodedata.category(char).startswith("M"):
            run += char
        elif run:
            found.append(run)
            run = ""
    if run:
        found.append(run)
    return tuple(found)
