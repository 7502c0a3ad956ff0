"""``segue tracks series``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from retrieval.cli.state import State, global_options, pass_state

if TYPE_CHECKING:
    from retrieval.core.series import Series


@click.command("series")
@click.argument("track", metavar="TRACK")
@click.argument("name", required=False)
@global_options()
@pass_state
def show_series(state: State, track: str, name: str | None) -> None:
    r"""List the series of a track, or print the one of this NAME: start, end, value or label.

    \b
    Examples:
      segue tracks series ID
      segue tracks series ID chords
      segue tracks series ID loudness --json | jq .values
    """
    from retrieval.cli.opening import open_library
    from retrieval.cli.output import Column, print_json, print_table
    from retrieval.cli.references import resolve
    from retrieval.core.errors import NotFoundError, PreconditionError
    from retrieval.core.library import SeriesLibrary

    with open_library(state) as library:
        if not isinstance(library, SeriesLibrary):
            raise PreconditionError("this library keeps no series", reason="UNIMPLEMENTED")
        found = library.get_series(resolve(library, track), [name] if name else [])
    if name and not found:
        raise NotFoundError(f"track {track!r} has no series {name!r}", reason="SERIES_NOT_FOUND")
    if name and state.json:
        print_json(_json(found[0]))
    elif name:
        click.echo(found[0].lines(), nl=False)
    elif state.json:
        print_json({"series": [_json(one, values=False) for one in found]})
    else:
        rows = [(one.name, str(len(one.values)), _rhythm(one), one.unit) for one in found]
        columns = (Column("series", "bold"), Column("values", right=True), Column("at"))
        print_table((*columns, Column("unit")), rows)


def _rhythm(series: Series) -> str:
    if series.rate is not None:
        return f"{series.rate:.4g} Hz"
    return "moments" if series.ends is None else "spans"


def _json(series: Series, *, values: bool = True) -> dict[str, Any]:
    outline = {"name": series.name, "unit": series.unit, "rate": series.rate}
    if not values:
        return {**outline, "count": len(series.values)}
    told: dict[str, Any] = {**outline, "values": series.values.tolist()}
    if series.times is not None:
        told["times"] = series.times.tolist()
    if series.ends is not None:
        told["ends"] = series.ends.tolist()
    if series.labels:
        told["labels"] = [series.label(place) for place in range(len(series.values))]
    return told
