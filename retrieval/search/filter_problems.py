"""What is wrong with the text of a filter, and where."""

from __future__ import annotations

import re

from lark import UnexpectedCharacters, UnexpectedToken
from lark.exceptions import UnexpectedInput

from retrieval.core.errors import InvalidInputError

_SAID = {
    "NAME": "a field name",
    "NUMBER": "a number",
    "STRING": "a string in quotes",
    "TRUE": "true",
    "FALSE": "false",
    "_OPEN": '"("',
    "_CLOSE": '")"',
    "_COMMA": '","',
    "_UPTO": '".."',
    "EQUAL": "=",
    "ORDER": "< <= > >=",
    "UNEQUAL": "!=",
    "_MATCH": "~",
    "_IN": "in",
    "_NOT": "not",
    "_AND": "and",
    "_OR": "or",
    "_EXISTS": "exists",
    "$END": "the end",
}
_OF_KEYS = {"mixes": 'key mixes with "8A"', "relative": 'key relative of "Am"'}
_KEYWORDS = frozenset({"and", "or", "not", "in", "exists", "true", "false", "track"})


def position_of(error: UnexpectedInput, text: str) -> int:
    """Where the parser stopped, from 0; the end of the text if it wanted more."""
    position: object = error.pos_in_stream
    if isinstance(error, UnexpectedToken) and error.token.type == "$END":
        position = None
    return position if isinstance(position, int) else len(text.rstrip())


def expectation(error: UnexpectedInput, text: str) -> str:
    """What could stand where the parser stopped, in words."""
    position = position_of(error, text)
    allowed: set[str] = set()
    if isinstance(error, UnexpectedToken):
        allowed = set(error.accepts or error.expected)
    elif isinstance(error, UnexpectedCharacters):
        allowed = set(error.allowed or ())
        if text[position] in "\"'" and "STRING" in allowed:
            return "this string has no closing quote"
    said = [words for name, words in _SAID.items() if name in allowed]
    word = re.match(r"[^\W\d]\w*", text[position:])
    if word and word[0].lower() in _OF_KEYS and "_MATCH" in allowed:
        return f"of keys write: {_OF_KEYS[word[0].lower()]}"
    if "STRING" in allowed and word and word[0].lower() not in _KEYWORDS:
        return f'expected {_or(said)}; put words in quotes: "{word[0]}"'
    return f"expected {_or(said)}"


def _or(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def problem_at(text: str, position: int, problem: str) -> InvalidInputError:
    """INVALID_FILTER with the line quoted and a caret below the place.

    Args:
        text: The filter.
        position: The place, from 0.
        problem: What is wrong there.
    """
    start = text.rfind("\n", 0, position) + 1
    line = text[start:].split("\n", 1)[0].replace("\t", " ")
    column = position - start
    # Of a long line, what is around the place.
    left = max(0, column - 60)
    shown = line[left : left + 100]
    return bad_filter(
        f"filter: {problem}, at column {column + 1}\n  {shown}\n  {' ' * (column - left)}^",
        column=column + 1,
    )


def bad_filter(message: str, column: int | None = None) -> InvalidInputError:
    """INVALID_FILTER; ``column`` counts from 1."""
    metadata = {} if column is None else {"column": str(column)}
    return InvalidInputError(message, reason="INVALID_FILTER", metadata=metadata)
