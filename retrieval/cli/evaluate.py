"""``segue eval``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from retrieval.cli.state import State, global_options, pass_state

if TYPE_CHECKING:
    from retrieval.search.evaluation import Estimate, Evaluation


@click.command("eval")
@click.argument("rows", metavar="CSV", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--kind",
    type=click.Choice(["text", "audio", "track"]),
    default="text",
    show_default=True,
    help="What the query column holds: words, paths of sound files, or tracks.",
)
@click.option(
    "--space",
    "spaces",
    multiple=True,
    metavar="NAME[=WEIGHT]",
    help="Only these spaces; the weight is what one counts in the fusion.",
)
@click.option("--skip-missing", is_flag=True, help="Leave out relevant tracks not in the library.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the bootstrap.")
@global_options()
@pass_state
def command(
    state: State,
    *,
    rows: Path,
    kind: str,
    spaces: tuple[str, ...],
    skip_missing: bool,
    seed: int,
) -> None:
    r"""Measure retrieval on a CSV of queries and the tracks that are relevant to them.

    The CSV has the columns "query" and "relevant". Relevant tracks are ids, paths or titles,
    several with ";" between them or on rows of their own. Every space that takes such queries is
    measured, and all of them fused: recall@1/3/5/10, MRR, nDCG@10 and median rank, with the size
    of the pool, the chance level, and 95 % bootstrap intervals over the queries.

    \b
    Examples:
      segue eval queries.csv
      segue eval covers.csv --kind audio --space perceptual --json
      segue eval queries.csv --space clap=2 --space lexical

    The global options may stand here too; see segue --help.
    """
    from retrieval.cli.asking import read_spaces
    from retrieval.cli.measuring import measure, read_rows
    from retrieval.cli.opening import open_library

    names, space_weights = read_spaces(spaces)
    judged = read_rows(rows)
    with open_library(state) as library:
        results = measure(
            library,
            judged,
            kind=kind,
            spaces=names,
            space_weights=space_weights,
            skip_missing=skip_missing,
            seed=seed,
        )
    _show(results, state)


def _show(results: Mapping[str, Evaluation], state: State) -> None:
    from retrieval.cli.output import Column, print_json, print_table

    if state.json:
        print_json({"spaces": {name: _json(result) for name, result in results.items()}})
        return
    first = next(iter(results.values()))
    columns = [Column("space", "bold")]
    columns += [Column(name.replace("_", " "), "cyan", right=True) for name in first.figures]
    lines = [
        (name, *(figure_cell(key, figure) for key, figure in result.figures.items()))
        for name, result in results.items()
    ]
    lines.append(
        ("chance", *(figure_text(key, figure.chance) for key, figure in first.figures.items()))
    )
    caption = f"{first.queries} queries, pool of {first.pool} tracks, 95 % bootstrap intervals"
    print_table(columns, lines, caption=caption)


def figure_text(name: str, value: float) -> str:
    """A figure by its name, with the digits that mean something."""
    return f"{value:.1f}" if name == "median_rank" else f"{value:.3f}"


def figure_cell(name: str, figure: Estimate) -> str:
    """A figure and its interval."""
    low, high = figure_text(name, figure.low), figure_text(name, figure.high)
    return f"{figure_text(name, figure.value)} [{low}, {high}]"


def _json(result: Evaluation) -> dict[str, Any]:
    figures = {
        name: {
            "value": figure.value,
            "low": figure.low,
            "high": figure.high,
            "chance": figure.chance,
        }
        for name, figure in result.figures.items()
    }
    return {"queries": result.queries, "pool": result.pool, **figures}
