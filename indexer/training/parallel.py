"""One training in several processes: each has its share of the shards, all have one gradient.

On a processor this beats more threads in one process, which wait for each other at every layer.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import click
import torch
from torch import distributed, multiprocessing

from indexer.training.train import Losses, Recipe, Trainer, load


@dataclass(frozen=True, slots=True)
class Run:
    """What is trained, from what and for how long.

    Attributes:
        folder: Where ``dataset.write_shard`` wrote.
        checkpoint: Written every thousand steps, and at the end.
        minutes: Of wall-clock time, loading not counted.
        processes: One thread each.
        recipe: Batches are those of one process.
        start: Checkpoint to begin with; random weights if None.
    """

    folder: Path
    checkpoint: Path
    minutes: float
    processes: int
    recipe: Recipe
    start: Path | None = None


def train(run: Run) -> None:
    """Train and write the checkpoint.

    Raises:
        FileNotFoundError: If there are fewer shards than processes.
    """
    names = sorted(path.stem for path in run.folder.glob("train-*.jsonl"))
    if len(names) < run.processes:
        raise FileNotFoundError(f"{run.folder}: {len(names)} shards for {run.processes} processes")
    with tempfile.TemporaryDirectory() as meeting:
        point = f"file://{meeting}/point"
        multiprocessing.spawn(_train, (run, names, point), nprocs=run.processes)


def _train(rank: int, run: Run, names: list[str], point: str) -> None:
    torch.set_num_threads(1)
    # The others wait while the first learns to read.
    patience = timedelta(hours=2)
    distributed.init_process_group(
        "gloo", init_method=point, rank=rank, world_size=run.processes, timeout=patience
    )
    start = torch.load(run.start, weights_only=True) if run.start is not None else None
    trainer = Trainer(load(run.folder, names[rank :: run.processes]), run.recipe, start)
    if rank == 0:
        trainer.learn_to_read(lambda step, loss: _tell(rank, f"reading {step}", loss, step))
    for weights in trainer.text.state_dict().values():
        distributed.broadcast(weights, 0)

    def told(step: int, losses: Losses) -> None:
        _tell(rank, f"hearing {step}", losses, step)
        if rank == 0 and step % 1_000 == 0:
            trainer.save(run.checkpoint)

    trainer.run(minutes=run.minutes, told=told)
    if rank == 0:
        trainer.save(run.checkpoint)
    distributed.destroy_process_group()


def _tell(rank: int, what: str, losses: object, step: int) -> None:
    if rank == 0 and step % 100 == 0:
        click.echo(f"{what}: {losses}")
