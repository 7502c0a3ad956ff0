"""What the query commands share: the options, and queries out of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from retrieval.core.errors import AudioError, InvalidInputError

if TYPE_CHECKING:
    from retrieval.core.filters import Filter
    from retrieval.core.queries import (
        AudioQuery,
        Fusion,
        SearchResponse,
        VectorQuery,
        WeightedQuery,
    )
    from retrieval.core.tracks import LibraryInfo

F = TypeVar("F", bound=Callable[..., Any])


def answer_options(function: F) -> F:
    """Add the options that shape an answer, whatever was asked."""
    return answer_options_with(limit=10)(function)


def answer_options_with(*, limit: int) -> Callable[[F], F]:
    """As ``answer_options``, with another number of hits by default."""

    def add(function: F) -> F:
        for option in reversed(_answer_options(limit)):
            function = option(function)
        return function

    return add


def _answer_options(limit: int) -> Sequence[Callable[[F], F]]:
    return (
        click.option(
            "--space",
            "spaces",
            multiple=True,
            metavar="NAME[=WEIGHT]",
            help="Ask only this embedding space; repeat for more (see: segue spaces)."
            " The weight is what it counts in the fusion, 1 unless given.",
        ),
        click.option(
            "--filter",
            "filter_text",
            metavar="TEXT",
            help="Only tracks for which this holds, such as 'bpm >= 90 and genre = \"rock\"'.",
        ),
        click.option(
            "-k",
            "limit",
            type=click.IntRange(1, 1000),
            metavar="N",
            default=limit,
            show_default=True,
            help="Hits wanted.",
        ),
        click.option(
            "--offset",
            type=click.IntRange(0, 10_000),
            metavar="N",
            default=0,
            help="Hits to skip.",
        ),
        click.option(
            "--segments",
            type=click.IntRange(0, 20),
            metavar="N",
            default=3,
            show_default=True,
            help="Best moments to show of each hit.",
        ),
        click.option(
            "--fusion",
            "fusion_name",
            type=click.Choice(["rrf", "score", "fit"]),
            default="fit",
            show_default=True,
            help="How several rankings become one: by fit (by rank where no fit is known), by rank,"
            " or by scaled score.",
        ),
        click.option(
            "--min-fit",
            type=click.FloatRange(0.0, 1.0),
            metavar="F",
            help="Leave out hits that fit less than this; weak ones fit less than 0.5.",
        ),
    )


def read_filter(text: str | None) -> Filter | None:
    """The filter of ``--filter``; None without one."""
    if text is None:
        return None
    from retrieval.search.filter_grammar import parse

    return parse(text)


def read_spaces(texts: Sequence[str]) -> tuple[tuple[str, ...], dict[str, float]]:
    """The spaces of ``--space NAME[=WEIGHT]``, and the weights of those that have one.

    Raises:
        InvalidInputError: If a weight is no number.
    """
    weights: dict[str, float] = {}
    names: dict[str, None] = {}
    for text in texts:
        name, given, number = text.partition("=")
        names[name.strip()] = None
        if not given:
            continue
        try:
            weights[name.strip()] = float(number)
        except ValueError:
            raise InvalidInputError(f"--space {text!r}: write for example clap=2") from None
    return tuple(names), weights


def read_fusion(name: str) -> Fusion:
    """The fusion of ``--fusion``."""
    from retrieval.core.queries import Fusion, FusionMethod

    return Fusion(FusionMethod("weighted_score" if name == "score" else name))


def is_deaf(info: LibraryInfo) -> bool:
    """Whether words are compared with no sound in this library: it was made before that."""
    from retrieval.core.spaces import Modality

    both = {Modality.TEXT, Modality.AUDIO}
    return not any(both <= space.query_modalities for space in info.spaces.values())


def show(response: SearchResponse, *, as_json: bool, first: int = 1) -> None:
    """Print an answer."""
    from retrieval.cli.output import print_hits, print_json, response_json

    if as_json:
        print_json(response_json(response))
    else:
        print_hits(response, first=first)


def read_vector(text: str, option: str = "--vector") -> list[float] | dict[str, float]:
    """The values of ``--vector`` and options like it.

    Args:
        text: A JSON list of numbers, a JSON object of numbers by dimension, numbers with commas
            between, or the path of a file that holds one of these.
        option: What errors call it.

    Raises:
        InvalidInputError: INVALID_VECTOR.
    """
    stripped = text.strip()
    if not stripped.startswith(("[", "{")) and _is_file(stripped):
        stripped = Path(stripped).read_text(encoding="utf-8", errors="replace").strip()
    if not stripped.startswith(("[", "{")):
        stripped = f"[{stripped}]"
    try:
        value = json.loads(stripped)
    except (ValueError, RecursionError):
        value = None
    numbers = list(value.values()) if isinstance(value, dict) else value
    if not isinstance(numbers, list) or not numbers or not all(map(_is_number, numbers)):
        raise InvalidInputError(
            f"{option} {text[:60]!r}: give numbers as JSON, such as '[1, 2.5, -3]' or "
            "'{\"warmth\": 2, …}', or a file that holds them",
            reason="INVALID_VECTOR",
        )
    if isinstance(value, dict):
        return {str(name): float(number) for name, number in value.items()}
    return [float(number) for number in numbers]


def _is_file(text: str) -> bool:
    try:
        return Path(text).is_file()
    except OSError:  # numbers with commas may be longer than any file name
        return False


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def in_order(
    values: Mapping[str, float], info: LibraryInfo, spaces: Sequence[str]
) -> tuple[float, ...]:
    """Named values in the order of the one space that has these dimensions.

    Raises:
        InvalidInputError: INVALID_VECTOR if no space, or none of those named, has just these.
    """
    for name, space in sorted(info.spaces.items()):
        if (not spaces or name in spaces) and space.dims and set(space.dims) == set(values):
            return tuple(values[dim] for dim in space.dims)
    have = "; ".join(
        f"{name}: {', '.join(space.dims)}"
        for name, space in sorted(info.spaces.items())
        if space.dims
    )
    raise InvalidInputError(
        f"--vector: no space has exactly the dimensions {', '.join(values)}; there are: "
        f"{have or 'none with names'}",
        reason="INVALID_VECTOR",
    )


def read_weights(text: str | None) -> dict[str, float]:
    """The weights of ``--weights``: a JSON object, or ``name=number`` with commas between.

    Raises:
        InvalidInputError: If it is neither.
    """
    if text is None:
        return {}
    try:
        if text.strip().startswith("{"):
            pairs = json.loads(text).items()
        else:
            pairs = [part.split("=") for part in text.split(",") if part.strip()]
        return {str(name).strip(): float(number) for name, number in pairs}
    except (ValueError, TypeError, RecursionError):
        raise InvalidInputError(
            f"--weights {text[:60]!r}: write arousal=2,valence=0.5 or a JSON object of numbers"
        ) from None


def read_shares(texts: Sequence[str], kinds: Sequence[str]) -> dict[str, float]:
    """The fusion weights of ``--weight KIND=NUMBER``.

    Raises:
        InvalidInputError: If a kind is not among those asked, or the weight is no number.
    """
    shares: dict[str, float] = {}
    for text in texts:
        kind, _, number = text.partition("=")
        try:
            shares[kind.strip()] = float(number)
        except ValueError:
            raise InvalidInputError(f"--weight {text!r}: write for example text=2") from None
        if kind.strip() not in kinds:
            raise InvalidInputError(
                f"--weight {text!r}: this search has no {kind.strip()!r}; "
                f"it has: {', '.join(kinds)}"
            )
    return shares


def spread_spaces(
    queries: Sequence[WeightedQuery], spaces: Sequence[str], info: LibraryInfo
) -> list[WeightedQuery]:
    """Give each of several queries those named spaces that take it.

    A query that none of them takes keeps them all, so that the library says what is wrong; so does
    every query if a space is not in the library, or is taken by none of them.
    """
    from dataclasses import replace

    from retrieval.search.queries import kind_of

    fitting: list[tuple[str, ...]] = [
        tuple(n for n in spaces if n in info.spaces and kind_of(q.query).takes(info.spaces[n]))
        for q in queries
    ]
    used = {name for names in fitting for name in names}
    if used != set(spaces) or not all(fitting):
        fitting = [tuple(spaces)] * len(queries)
    return [
        replace(
            query,
            spaces=names,
            space_weights={n: w for n, w in query.space_weights.items() if n in names},
        )
        for query, names in zip(queries, fitting, strict=True)
    ]


def read_audio(path: Path) -> AudioQuery:
    """The sound file of ``--audio``.

    Raises:
        AudioError: AUDIO_TOO_LARGE beyond what any query may hold; the file is not read then.
    """
    from retrieval.core.queries import MAX_AUDIO_BYTES, AudioQuery

    size = path.stat().st_size
    if size > MAX_AUDIO_BYTES:
        raise AudioError(
            f"{path}: {size} bytes; a query takes at most {MAX_AUDIO_BYTES}. "
            "Cut it to the part to search for",
            reason="AUDIO_TOO_LARGE",
            metadata={"limit": str(MAX_AUDIO_BYTES)},
        )
    return AudioQuery(path.read_bytes())


def vector_query(
    values: Sequence[float], *, scaling: str, weights: str | None, dims: str | None
) -> VectorQuery:
    """A vector query out of its options."""
    from retrieval.core.queries import Scaling, VectorQuery

    return VectorQuery(
        tuple(values),
        scaling=Scaling(scaling),
        weights=read_weights(weights),
        dims=tuple(part.strip() for part in (dims or "").split(",") if part.strip()),
    )
