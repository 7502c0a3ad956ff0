"""What ``segue train`` found out, as tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from retrieval.cli.evaluate import figure_cell, figure_text
from retrieval.cli.output import Column, note, print_table
from retrieval.search.evaluation import Estimate

if TYPE_CHECKING:
    from indexer.learning.options import TrainingReport

FIGURES = ("recall@1", "recall@3", "recall@10", "median_rank", "mrr")
"""Of a clip's search for its track; the other way round recall@3 alone is shown."""
HEADINGS = (*(name.replace("_", " ") for name in FIGURES), "recall@3 track to video")
_THERE, _BACK = "video_to_track", "track_to_video"


def recommender_rows(tested: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """A line per contender of the test part, and one of what chance gives."""
    rows = []
    for name, both in tested.items():
        found = {figure: Estimate(**both[_THERE][figure]) for figure in FIGURES}
        back = Estimate(**both[_BACK]["recall@3"])
        cells = [figure_cell(figure, one) for figure, one in found.items()]
        rows.append((name, *cells, figure_cell("recall@3", back)))
    chances = [figure_text(figure, one.chance) for figure, one in found.items()]
    return [*rows, ("chance", *chances, figure_text("recall@3", back.chance))]


def tested_on(metrics: Mapping[str, Any]) -> str:
    """What the figures were taken on, and what was chosen before."""
    data, chosen = metrics["data"], metrics["chosen"]
    return (
        f"chosen by validation: {chosen['model']}, by {chosen['by']}; {data['test']} test pairs, "
        f"a pool of {metrics['test']['mlp'][_THERE]['pool']} tracks, none of them and of their "
        "sources seen in training; 95 % bootstrap intervals"
    )


def show_recommender(report: TrainingReport) -> None:
    """Every contender on the test part, in both directions."""
    metrics = report.card.metrics
    columns = [Column("model", "bold"), *(Column(one, "cyan", right=True) for one in HEADINGS)]
    print_table(columns, recommender_rows(metrics["test"]), caption=tested_on(metrics))
    note(f"{report.path}: {report.card.video_set} to {report.card.output_set}")


def show_features(report: TrainingReport) -> None:
    """R² of every dimension on the test part."""
    card, metrics = report.card, report.card.metrics
    tested = metrics["test"]
    columns = [Column("dimension", "bold")]
    columns += [Column(f"R² {name}", "cyan", right=True) for name in tested]
    rows = [(dim, *(_share(found[dim]) for found in tested.values())) for dim in card.outputs]
    data = metrics["data"]
    caption = (
        f"chosen by validation: {metrics['chosen']['model']}; {data['test']} of {data['clips']} "
        "clips tested, of sources not seen in training; 95 % bootstrap intervals"
    )
    print_table(columns, rows, caption=caption)
    note(f"{report.path}: {card.video_set} to {card.output_set}")


def _share(found: dict[str, float] | None) -> str:
    if found is None:
        return "too few labels"
    return f"{found['value']:.3f} [{found['low']:.3f}, {found['high']:.3f}]"
