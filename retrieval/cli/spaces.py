"""``segue spaces``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from retrieval.cli.state import State, global_options, pass_state

if TYPE_CHECKING:
    from retrieval.core.library import SpaceStatus
    from retrieval.core.spaces import Statistics


@click.command("spaces")
@click.option(
    "--refit",
    metavar="NAME",
    help="Fit the space's statistics on the tracks there are now, and freeze them.",
)
@global_options()
@pass_state
def command(state: State, refit: str | None) -> None:
    r"""Show the embedding spaces of a library, and which of them this machine can ask.

    A weighted-Euclidean space is standardised by statistics that the first full index run freezes.
    After the library has changed character, --refit fits them again; no vector is rewritten.
    Words and sounds are not put to a space that another revision of its encoder has filled, until
    segue index --upgrade has brought it up to date.

    \b
    Examples:
      segue spaces
      segue spaces --refit perceptual
    """
    from retrieval.cli.opening import open_library
    from retrieval.cli.output import Column, note, print_json, print_table

    with open_library(state) as library:
        if refit is not None:
            fitted = library.refit(refit)
            note(f"{refit}: fitted on {fitted.count} tracks")
        spaces = library.spaces()
    if state.json:
        print_json({"spaces": [_json(status) for status in spaces]})
        return
    columns = (
        Column("space", "bold"),
        Column("queries"),
        Column("dims", right=True),
        Column("distance"),
        Column("tracks", "cyan", right=True),
        Column("statistics"),
        Column("encoder", "green"),
        Column("revision", "dim", fold=True),
        Column("problem", pipes=True),
    )
    print_table(columns, [_row(status) for status in spaces])
    for status in spaces:
        if status.problem:
            note(status.problem)


def _row(status: SpaceStatus) -> tuple[str, ...]:
    space = status.space
    kinds = sorted(modality.value for modality in space.query_modalities)
    return (
        space.name,
        ", ".join([*kinds, *([] if space.sparse else ["track", "vector"])]),
        "sparse" if space.sparse else str(space.dim),
        space.distance.value.replace("_", " "),
        str(status.tracks),
        _origin(status.statistics),
        "here" if status.encoder else "missing",
        space.revision,
        status.problem,
    )


def _origin(statistics: Statistics | None) -> str:
    if statistics is None:
        return ""
    return f"of {statistics.count} tracks" if statistics.count else "reference"


def _json(status: SpaceStatus) -> dict[str, Any]:
    space, statistics = status.space, status.statistics
    return {
        "name": space.name,
        "dim": space.dim,
        "sparse": space.sparse,
        "distance": space.distance.value,
        "revision": space.revision,
        "query_modalities": sorted(modality.value for modality in space.query_modalities),
        "levels": sorted(level.value for level in space.levels),
        "dims": list(space.dims),
        "tracks": status.tracks,
        "encoder": status.encoder,
        "problem": status.problem or None,
        "statistics": None
        if statistics is None
        else {
            "mean": list(statistics.mean),
            "std": list(statistics.std),
            "count": statistics.count,
        },
    }
