"""What ``segue train`` found out, as tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrieval.cli.evaluate import figure_cell, figure_text
from retrieval.cli.output import Column, note, print_table
from retrieval.search.evaluation import Estimate

if TYPE_CHECKING:
    from indexer.learning.options import TrainingReport

_FIGURES = ("recall@1", "recall@3", "recall@10", "median_rank", "mrr")


def show_recommender(report: TrainingReport) -> None:
    """Every contender on the test part, from clips to tracks, and recall@3 the other way."""
    metrics = report.card.metrics
    data, chosen = metrics["data"], metrics["chosen"]
    columns = [Column("model", "bold")]
    columns += [Column(name.replace("_", " "), "cyan", right=True) for name in _FIGURES]
    columns.append(Column("track to video recall@3", right=True))
    rows = []
    for name, both in metrics["test"].items():
        there, back = both["video_to_track"], Estimate(**both["track_to_video"]["recall@3"])
        found = {figure: Estimate(**there[figure]) for figure in _FIGURES}
        cells = [figure_cell(figure, one) for figure, one in found.items()]
        rows.append((name, *cells, figure_cell("recall@3", back)))
        pool = there["pool"]
    chances = [figure_text(figure, one.chance) for figure, one in found.items()]
    rows.append(("chance", *chances, figure_text("recall@3", back.chance)))
    caption = (
        f"chosen by validation: {chosen['model']}, by {chosen['by']}; {data['test']} test pairs, "
        f"a pool of {pool} tracks, none of them and of their sources seen in training; 95 % "
        "bootstrap intervals"
    )
    print_table(columns, rows, caption=caption)
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
