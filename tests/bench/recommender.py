"""The recommenders on planted pairs: what is to be found, and who finds it."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from indexer.learning.options import TrainingOptions, TrainingReport
from indexer.learning.recommender import train_recommender
from indexer.learning.temporal import TemporalRecipe
from retrieval.cli.training import HEADINGS, recommender_rows, tested_on
from tests.bench.measure import Table, times
from tests.learning.planted import REVISION, SPACE_NAME, Planted


def run(*, pairs: int = 2000, trials: int = 12, epochs: int = 40) -> Iterator[Table]:
    """Train on pairs whose relations are known (``tests.learning.planted``), test once."""
    began = time.process_time()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        options = TrainingOptions(
            video_set="planted-1",
            output_set="planted-audio-1",
            trials=trials,
            temporal=TemporalRecipe(width=64, epochs=epochs),
            device="cpu",
        )
        table = Planted(pairs).write(folder)
        out = folder / "music.safetensors"
        report = train_recommender(table, out, options, space=(SPACE_NAME, REVISION))
        size = out.stat().st_size
    yield _table(report, time.process_time() - began, size)


def _table(report: TrainingReport, seconds: float, size: int) -> Table:
    metrics = report.card.metrics
    chosen = metrics["chosen"]
    best = f"temporal, {chosen['by']}" if chosen["model"] == "temporal" else "mlp"
    recall = {n: b["video_to_track"]["recall@3"]["value"] for n, b in metrics["test"].items()}
    return Table(
        "Clips to tracks, planted relations (tests/learning/planted.py)",
        ("", *HEADINGS),
        tuple(recommender_rows(metrics["test"])),
        (
            tested_on(metrics),
            f"Recall@3 of {best}: {times(recall[best] / max(recall['mlp'], 1e-9))} that of the "
            f"tuned perceptron, which learned from the same {metrics['data']['train']} pairs.",
            f"{seconds:.0f} CPU-s for everything; the model has {size / 1e6:.1f} MB.",
        ),
    )
