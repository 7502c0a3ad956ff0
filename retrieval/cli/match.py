"""``segue match``: a prediction against a plain table, without a library."""

from __future__ import annotations

from pathlib import Path

import click

from retrieval.cli import asking, matching
from retrieval.cli.state import State, global_options, pass_state


@click.command("match")
@click.option(
    "--audio-csv",
    "table",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
    metavar="FILE",
    help="Table with a name in the first column, then the ten dimensions.",
)
@matching.prediction_option(required=True)
@matching.comparison_options(scaling="raw")
@click.option(
    "-k",
    "limit",
    type=click.IntRange(1, 1_000_000),
    metavar="N",
    default=5,
    show_default=True,
    help="Rows wanted.",
)
@global_options()
@pass_state
def command(
    state: State,
    *,
    table: Path,
    predicted: str,
    metric: str,
    dims: str | None,
    weights: str | None,
    scaling: str,
    limit: int,
) -> None:
    r"""Find the rows of a table that are nearest to ten predicted dimensions.

    The dimensions are richness, variation, rhythm, warmth, harmony, brightness, melody_trend,
    rhythm_speed, arousal and valence. Distances are taken on the values as they are, unless
    --scaling standardised divides each by its deviation in the table. For a library of sound files:
    segue score --pred; to make the table one: segue index --features FILE.

    \b
    Examples:
      segue match --audio-csv audio_features.csv \
        --pred "-5.5,-3.6,-8.5,-0.1,-1.6,20.8,52,77.3,42.2,-13.7"
      segue match --audio-csv audio_features.csv --pred ten.json --dims VA -k 3 --json
      segue match --audio-csv audio_features.csv --pred ten.json --metric cosine \
        --weights arousal=2,valence=0.5

    With --json: {"hits": [{"name": …, "index": row from 0, "distance": …}, …]}.
    """
    from indexer.perceptual_table import read_table
    from retrieval.cli.output import Column, print_json, print_table
    from retrieval.search.matching import nearest_rows

    query = matching.video_query(
        predicted=matching.read_ten(predicted),
        metric=metric,
        scaling=scaling,
        weights=asking.read_weights(weights),
        dims=dims,
    )
    rows = read_table(table)
    found = nearest_rows(rows.values, query, limit)
    if state.json:
        hits = [
            {"name": rows.names[row], "index": row, "distance": distance} for row, distance in found
        ]
        print_json({"hits": hits})
        return
    columns = (
        Column("#", "dim", right=True, people=True),
        Column("distance", "cyan", right=True),
        Column("name", "bold"),
        Column("row", "dim", right=True),
    )
    print_table(
        columns,
        [
            (str(rank), f"{distance:.4f}", rows.names[row], str(row))
            for rank, (row, distance) in enumerate(found, start=1)
        ],
    )
