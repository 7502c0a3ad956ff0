r"""The language of ``--filter``: one line of text into a ``Filter``.

::

    bpm >= 90 and genre in ("rock", "folk")
    duration in 60..180 and not comment ~ "live"
    year = 1977 or (exists composer and arousal > 60)

===========================  ==================================================================
``bpm = 120``, ``==``        the field has this value
``genre != "rock"``          it has not, or the field is absent
``year < 1990``              ``<``, ``<=``, ``>``, ``>=``: numbers, or instants as RFC 3339 strings
``bpm in 118..124``          between the bounds, both included
``genre in ("rock", "pop")`` any of these values; ``not in (…)`` none of them, or absent
``title ~ "blue moon"``      every one of these words, in any case and order
``bpm ~ 118..124``           so fast, or at half or double time
``bpm ~ 120``                the same within 4 %
``key = "Bb minor"``         in any spelling (``A#m``, ``3A``); ``"Bb"`` alone in either mode
``key mixes with "8A"``      this key, its relative, or a neighbour on the Camelot wheel
``key relative of "Am"``     the key of the other mode with the same notes
``progressions ~ "I V vi"``  these chords follow one another, in any key; ``chords ~`` is the same
``exists composer``          the field has a value
``track in ("id", "id")``    these tracks; ``=``, ``!=`` and ``not in`` work too
``and``, ``or``, ``not``     ``not`` binds tightest, then ``and``, then ``or``; parentheses group
===========================  ==================================================================

Values are numbers, ``true``, ``false``, and strings in single or double quotes with the escapes of
JSON and ``\'``. Keywords and field names are read in any case. A field whose name is a keyword
stands in backquotes, as does a field called ``track``. What knows of music is written out in the
other conditions (``filter_music``), so that every store answers it, here and over the wire.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from functools import cache
from typing import Any as Untyped
from typing import ParamSpec, TypeVar

from lark import Lark, Token, Transformer, v_args
from lark.exceptions import UnexpectedInput, VisitError

from retrieval.core.errors import InvalidInputError
from retrieval.core.filters import (
    MAX_DEPTH,
    MAX_NODES,
    All,
    Any,
    AnyOf,
    Equals,
    Exists,
    Filter,
    NoneOf,
    Not,
    Range,
    TextMatch,
    TrackIds,
    walk,
)
from retrieval.core.payload import Scalar
from retrieval.search import filter_music as music
from retrieval.search.filter_problems import bad_filter, expectation, position_of, problem_at

P = ParamSpec("P")
T = TypeVar("T")

MAX_LENGTH = 65_536

GRAMMAR = r"""
?start: any
?any: all (_OR all)*
?all: negation (_AND negation)*
?negation: _NOT negation -> negate
         | condition
?condition: field EQUAL value            -> equals
          | field UNEQUAL value          -> differs
          | field ORDER bound            -> compare
          | field _IN bound _UPTO bound  -> between
          | field _IN values             -> among
          | field _NOT _IN values        -> outside
          | field _MATCH STRING          -> matches
          | field _MATCH NUMBER          -> near
          | field _MATCH NUMBER _UPTO NUMBER -> near
          | _MIXES_WITH STRING           -> mixes
          | _RELATIVE_OF STRING          -> relative
          | _EXISTS field                -> exists
          | TRACK EQUAL STRING           -> is_track
          | TRACK UNEQUAL STRING         -> is_not_track
          | TRACK _IN strings            -> among_tracks
          | TRACK _NOT _IN strings       -> outside_tracks
          | _OPEN any _CLOSE

values: _OPEN value (_COMMA value)* _CLOSE
strings: _OPEN STRING (_COMMA STRING)* _CLOSE
?value: NUMBER | STRING | TRUE | FALSE
?bound: NUMBER | STRING
field: NAME | QUOTED_NAME

_MIXES_WITH.3: /(key\s+)?mixes\s+with\b/i
_RELATIVE_OF.3: /(key\s+)?relative\s+of\b/i
_OR.2: /or\b/i
_AND.2: /and\b/i
_NOT.2: /not\b/i
_IN.2: /in\b/i
_EXISTS.2: /exists\b/i
TRACK.2: /track\b/i
TRUE.2: /true\b/i
FALSE.2: /false\b/i
NAME: /[a-zA-Z][a-zA-Z0-9_]*/
QUOTED_NAME: /`[a-zA-Z][a-zA-Z0-9_]*`/
NUMBER: /[+-]?\d+(\.\d+)?([eE][+-]?\d+)?/
STRING: /"([^"\\]|\\.)*"|'([^'\\]|\\.)*'/s
UNEQUAL: "!="
EQUAL: "==" | "="
ORDER: "<=" | "<" | ">=" | ">"
_MATCH: "~"
_UPTO: ".."
_OPEN: "("
_CLOSE: ")"
_COMMA: ","
%ignore /\s+/
"""

_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_ESCAPES = {
    **{"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"},
    **{char: char for char in "\"'/\\"},
}


def parse(text: str) -> Filter:
    """Read a filter.

    Args:
        text: The filter, at most 65536 characters.

    Returns:
        The filter, not yet checked against the fields of a library.

    Raises:
        InvalidInputError: INVALID_FILTER; the message quotes the line, marks the place with a caret
            and says what was expected there; ``column`` in the metadata counts from 1.
    """
    if len(text) > MAX_LENGTH:
        raise bad_filter(f"filter: {len(text)} characters; at most {MAX_LENGTH} are read")
    if not text.strip():
        raise bad_filter('filter: it is empty; write for example: bpm >= 90 and genre = "rock"')
    try:
        tree: Untyped = _parser().parse(text)
    except UnexpectedInput as error:
        raise problem_at(text, position_of(error, text), expectation(error, text)) from None
    except VisitError as error:
        if isinstance(error.orig_exc, _BadTokenError):
            raise problem_at(text, error.orig_exc.position, error.orig_exc.problem) from None
        raise
    except _BadTokenError as error:
        raise problem_at(text, error.position, error.problem) from None
    return _bounded(tree)


@cache
def _parser() -> Lark:
    # With the transformer inside, the parser builds no tree, and no depth of input recurses.
    return Lark(GRAMMAR, parser="lalr", transformer=_ToFilter())


class _BadTokenError(Exception):
    def __init__(self, token: Token, problem: str, offset: int = 0) -> None:
        super().__init__(problem)
        self.position = (token.start_pos or 0) + offset
        self.problem = problem


@v_args(inline=True)
class _ToFilter(Transformer[Token, Filter]):
    """Builds filters while the parser reduces."""

    def any(self, *parts: Filter) -> Filter:
        return Any(parts)

    def all(self, *parts: Filter) -> Filter:
        return All(parts)

    def negate(self, part: Filter) -> Filter:
        return Not(part)

    def field(self, name: Token) -> str:
        return name.strip("`").lower()

    def values(self, *values: Token) -> tuple[Token, ...]:
        return values

    def strings(self, *values: Token) -> tuple[str, ...]:
        return tuple(_text(value) for value in values)

    def equals(self, field: str, _sign: Token, value: Token) -> Filter:
        return Equals(*_spelt(field, value))

    def differs(self, field: str, _sign: Token, value: Token) -> Filter:
        name, one = _spelt(field, value)
        return NoneOf(name, (one,))

    def compare(self, field: str, sign: Token, bound: Token) -> Filter:
        value = _bound(bound)
        match str(sign):
            case "<":
                return Range(field, lt=value)
            case "<=":
                return Range(field, lte=value)
            case ">":
                return Range(field, gt=value)
            case _:
                return Range(field, gte=value)

    def between(self, field: str, low: Token, high: Token) -> Filter:
        return Range(field, gte=_bound(low), lte=_bound(high))

    def among(self, field: str, values: tuple[Token, ...]) -> Filter:
        parts = tuple(AnyOf(name, some) for name, some in _by_field(field, values).items())
        return parts[0] if len(parts) == 1 else Any(parts)

    def outside(self, field: str, values: tuple[Token, ...]) -> Filter:
        parts = tuple(NoneOf(name, some) for name, some in _by_field(field, values).items())
        return parts[0] if len(parts) == 1 else All(parts)

    def matches(self, field: str, text: Token) -> Filter:
        musical = _asked(text, music.matching, field, _text(text))
        return TextMatch(field, _text(text)) if musical is None else musical

    def near(self, field: str, low: Token, high: Token | None = None) -> Filter:
        bounds = (_number(low), None if high is None else _number(high))
        return _asked(low, music.near, field, *bounds)

    def mixes(self, key: Token) -> Filter:
        return _asked(key, music.mixing, _text(key))

    def relative(self, key: Token) -> Filter:
        return _asked(key, music.relative, _text(key))

    def exists(self, field: str) -> Filter:
        return Exists(field)

    def is_track(self, _track: Token, _sign: Token, track_id: Token) -> Filter:
        return TrackIds((_text(track_id),))

    def is_not_track(self, _track: Token, _sign: Token, track_id: Token) -> Filter:
        return Not(TrackIds((_text(track_id),)))

    def among_tracks(self, _track: Token, ids: tuple[str, ...]) -> Filter:
        return TrackIds(ids)

    def outside_tracks(self, _track: Token, ids: tuple[str, ...]) -> Filter:
        return Not(TrackIds(ids))


def _asked(token: Token, rule: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What a rule of music answers; where it refuses, the place is told."""
    try:
        return rule(*args, **kwargs)
    except InvalidInputError as error:
        raise _BadTokenError(token, str(error)) from None


def _spelt(field: str, value: Token) -> tuple[str, Scalar]:
    return _asked(value, music.spelt, field, _scalar(value))


def _by_field(field: str, values: tuple[Token, ...]) -> dict[str, tuple[Scalar, ...]]:
    found: dict[str, tuple[Scalar, ...]] = {}
    for name, value in (_spelt(field, token) for token in values):
        found[name] = (*found.get(name, ()), value)
    return found


def _scalar(token: Token) -> Scalar:
    match token.type:
        case "TRUE":
            return True
        case "FALSE":
            return False
        case "NUMBER":
            return _number(token)
        case _:
            return _text(token)


def _bound(token: Token) -> float | int | str:
    return _number(token) if token.type == "NUMBER" else _text(token)


def _number(token: Token) -> int | float:
    if re.fullmatch(r"[+-]?\d{1,18}", token):
        return int(token)
    value = float(token)
    if not math.isfinite(value):
        raise _BadTokenError(token, "this number is too large")
    return value


def _text(token: Token) -> str:
    def replace(match: re.Match[str]) -> str:
        escape = match.group(1)
        if escape.startswith("u") and len(escape) == 5:
            return chr(int(escape[1:], 16))
        if escape not in _ESCAPES:
            raise _BadTokenError(
                token, rf"unknown escape \{escape}; write \\ for a backslash", match.start() + 1
            )
        return _ESCAPES[escape]

    text = _ESCAPE.sub(replace, token[1:-1])
    # Two \\uXXXX escapes may spell one character beyond the basic plane.
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _bounded(node: Filter) -> Filter:
    for count, (_, depth) in enumerate(walk(node), start=1):
        if depth > MAX_DEPTH:
            raise bad_filter(f"filter is nested deeper than {MAX_DEPTH} levels")
        if count > MAX_NODES:
            raise bad_filter(f"filter has more than {MAX_NODES} conditions")
    return node
