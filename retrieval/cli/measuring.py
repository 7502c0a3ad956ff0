"""Runs the queries of ``segue eval`` and judges their rankings."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from retrieval.cli.asking import read_audio
from retrieval.core.errors import InvalidInputError, NotFoundError
from retrieval.core.queries import (
    MAX_LIMIT,
    MAX_OFFSET,
    Query,
    SearchRequest,
    TextQuery,
    TrackQuery,
    WeightedQuery,
)
from retrieval.search.evaluation import Evaluation, Judgement, evaluate

if TYPE_CHECKING:
    from retrieval.core.library import Library

FUSED = "fused"


def read_rows(path: Path) -> dict[str, list[tuple[int, str]]]:
    """The queries of a CSV file.

    Returns:
        For each query its relevant references, each with its line number.

    Raises:
        InvalidInputError: If the file is not UTF-8 CSV with the two columns, or has no rows.
    """
    found: dict[str, list[tuple[int, str]]] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            missing = {"query", "relevant"} - set(reader.fieldnames or ())
            if missing:
                raise InvalidInputError(
                    f"{path}: the first line must name the columns query and relevant; "
                    f"missing: {', '.join(sorted(missing))}"
                )
            for row in reader:
                query = (row["query"] or "").strip()
                references = [r.strip() for r in (row["relevant"] or "").split(";") if r.strip()]
                if not query or not references:
                    raise InvalidInputError(
                        f"{path}, line {reader.line_num}: query or relevant is empty"
                    )
                found.setdefault(query, []).extend((reader.line_num, r) for r in references)
    except (UnicodeDecodeError, csv.Error) as error:
        raise InvalidInputError(f"{path}: not a CSV file in UTF-8 ({error})") from None
    if not found:
        raise InvalidInputError(f"{path}: there are no queries in it")
    return found


def measure(
    library: Library,
    rows: Mapping[str, Sequence[tuple[int, str]]],
    *,
    kind: str,
    spaces: Sequence[str],
    space_weights: Mapping[str, float],
    skip_missing: bool,
    seed: int,
) -> dict[str, Evaluation]:
    """Quality per space, and of all of them fused where there are several.

    Args:
        library: The library to ask.
        rows: Queries with their relevant references, as ``read_rows`` gives them.
        kind: What a query is: ``text``, ``audio`` (a path) or ``track``.
        spaces: Spaces to measure; empty means all that take such queries.
        space_weights: What spaces count in the fusion.
        skip_missing: Leave out relevant tracks that are not in the library, and queries without
            any that is; otherwise they are an error.
        seed: Of the bootstrap.

    Raises:
        NotFoundError: A relevant track is not in the library; names the line.
        InvalidInputError: Nothing is left to measure.
    """
    from retrieval.search.queries import kind_of

    queries: list[tuple[Query, frozenset[str]]] = []
    for text, references in rows.items():
        relevant = _relevant(library, references, skip_missing=skip_missing)
        if relevant:
            queries.append((_query(library, kind, text), relevant))
    if not queries:
        raise InvalidInputError("eval: no query has a relevant track in this library")
    pool = library.count_tracks() - (1 if kind == "track" else 0)
    takes = kind_of(queries[0][0]).takes
    names = list(spaces) or [
        status.space.name
        for status in library.spaces()
        if takes(status.space) and (status.encoder or kind == "track")
    ]
    rounds: dict[str, tuple[str, ...]] = {name: (name,) for name in names}
    if len(names) != 1:
        # Left unnamed, a space that a text says nothing in does not spoil the others' answer.
        rounds[FUSED] = tuple(spaces)
    results = {}
    for title, asked in rounds.items():
        judged = [
            Judgement(_ranking(library, q, asked, space_weights, wanted), wanted)
            for q, wanted in queries
        ]
        results[title] = evaluate(judged, pool, seed=seed)
    return results


def _relevant(
    library: Library, references: Sequence[tuple[int, str]], *, skip_missing: bool
) -> frozenset[str]:
    from retrieval.cli.references import resolve

    found = set()
    for line, reference in references:
        try:
            found.add(resolve(library, reference))
        except NotFoundError as error:
            if not skip_missing:
                raise NotFoundError(
                    f"line {line}: {error.message} (--skip-missing leaves such rows out)",
                    metadata={**error.metadata, "line": str(line)},
                ) from None
    return frozenset(found)


def _query(library: Library, kind: str, text: str) -> Query:
    from retrieval.cli.references import resolve

    if kind == "text":
        return TextQuery(text)
    if kind == "track":
        return TrackQuery(resolve(library, text))
    path = Path(text)
    if not path.is_file():
        raise InvalidInputError(f"eval: query {text!r} is no sound file")
    return read_audio(path)


def _ranking(
    library: Library,
    query: Query,
    spaces: tuple[str, ...],
    space_weights: Mapping[str, float],
    wanted: frozenset[str],
) -> tuple[str, ...]:
    """Ranked ids, as deep as the last relevant one or as far as paging goes."""
    ranked: list[str] = []
    missing = set(wanted)
    shares = {name: space_weights[name] for name in spaces if name in space_weights}
    while missing and len(ranked) <= MAX_OFFSET:
        request = SearchRequest(
            (WeightedQuery(query, spaces=spaces, space_weights=shares),),
            limit=MAX_LIMIT,
            offset=len(ranked),
            segments=0,
            payload_fields=(),
        )
        try:
            response = library.search(request)
        except InvalidInputError:
            # A text without a word that the space knows finds nothing there.
            if isinstance(query, TextQuery):
                break
            raise
        ranked.extend(hit.track.id for hit in response.hits)
        missing.difference_update(ranked)
        if not response.more or not response.hits:
            break
    return tuple(ranked)
