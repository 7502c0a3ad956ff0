"""``python -m indexer.training``: render, train and evaluate the ear."""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import click


@click.group()
def main() -> None:
    """Render, train and evaluate the built-in ear."""


@main.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--train", "count", default=160, show_default=True, help="Shards to train on.")
@click.option("--others", default=5, show_default=True, help="Shards of every other split.")
@click.option("--workers", default=os.cpu_count() or 1, show_default="cores", help="Processes.")
def render(folder: Path, count: int, others: int, workers: int) -> None:
    """Render what is missing of the shards into FOLDER."""
    from indexer.training.dataset import SPLITS, write_shard

    folder.mkdir(parents=True, exist_ok=True)
    wanted = [(s, n) for s in SPLITS for n in range(count if s == "train" else others)]
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        for job in [pool.submit(write_shard, folder, SPLITS[s], n) for s, n in wanted]:
            click.echo(job.result())


@main.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("checkpoint", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--minutes", default=60.0, show_default=True, help="Stop after so long.")
@click.option("--processes", default=2, show_default=True, help="Of one thread each.")
def train(folder: Path, checkpoint: Path, minutes: float, processes: int) -> None:
    """Train on the shards of FOLDER and write CHECKPOINT."""
    from indexer.training import parallel
    from indexer.training.train import Recipe

    parallel.train(parallel.Run(folder, checkpoint, minutes, processes, Recipe()))


@main.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("checkpoint", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--minutes", default=15.0, show_default=True, help="Stop after so long.")
def align(folder: Path, checkpoint: Path, minutes: float) -> None:
    """Settle what texts mean on what the tower of CHECKPOINT hears in FOLDER."""
    from indexer.training import align as aligning

    def told(step: int, loss: float) -> None:
        if step % 100 == 0:
            click.echo(f"{step}: {loss:.3f}")

    names = sorted(path.stem for path in folder.glob("train-*.jsonl"))
    aligning.align(checkpoint, folder, names, minutes=minutes, told=told)


@main.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("checkpoint", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--recordings", type=click.Path(file_okay=False, path_type=Path))
def evaluate(folder: Path, checkpoint: Path, recordings: Path | None) -> None:
    """Measure CHECKPOINT on the held-out shards of FOLDER, and on recordings."""
    import torch

    from indexer.training import evaluate as measure
    from indexer.training.copies import copies
    from indexer.training.export import fold_audio, reader
    from indexer.training.fits import make_cohort, measure_fits
    from indexer.training.shards import read_split
    from retrieval.encoders.ear_towers import EarAudio

    state = torch.load(checkpoint, weights_only=True)
    ear, read = EarAudio(fold_audio(state["audio"])), reader(state)
    cohort = make_cohort(measure.hear(read_split(folder, "valid"), ear), read)
    for split in ("test", "foreign"):
        heard = measure.hear(read_split(folder, split), ear)
        for found in (
            measure.captions_to_sound(heard, read),
            measure.zero_shot(heard, read),
            measure.sound_to_sound(heard),
            measure.negation(heard, read),
            measure_fits(heard, read, cohort),
            measure.attribute_report(heard),
        ):
            click.echo(f"{split}: { {name: round(value, 3) for name, value in found.items()} }")
    again = copies(ear)
    click.echo(f"copies: { {name: round(value, 3) for name, value in again.items()} }")
    if recordings is not None:
        for query, answer in measure.recordings(recordings, ear, read).items():
            click.echo(f"{query}: {answer}")


@main.command()
@click.argument("checkpoint", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--shards",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder whose valid shards attributes and fits are calibrated on; else they are not.",
)
@click.option("--to", type=click.Path(dir_okay=False, path_type=Path), help="Instead of in place.")
def export(checkpoint: Path, shards: Path | None, to: Path | None) -> None:
    """Write the weights that ship from CHECKPOINT."""
    import numpy as np
    import torch

    from indexer.training import export as exporting
    from indexer.training.attributes import NAMES
    from indexer.training.evaluate import hear
    from indexer.training.fits import make_cohort
    from indexer.training.shards import read_split
    from retrieval.encoders.ear_towers import EarAudio
    from retrieval.encoders.ear_weights import FILE

    state = torch.load(checkpoint, weights_only=True)
    valid = read_split(shards, "valid") if shards else []
    logits = values = np.zeros((0, len(NAMES)), dtype=np.float32)
    cohort = None
    if valid:
        heard = hear(valid, EarAudio(exporting.fold_audio(state["audio"])))
        logits, values = heard.logits, heard.values
        cohort = make_cohort(heard, exporting.reader(state))
    path = to or FILE
    nearest = exporting.write(path, state, exporting.calibrate(logits, values), cohort)
    click.echo(
        f"{path}: {path.stat().st_size / 1e6:.2f} MB, cosine {nearest:.6f} to single precision, "
        f"attributes calibrated on {len(logits)} windows"
    )


@main.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--weights",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Exported weights instead of those that ship.",
)
def hearing(folder: Path, weights: Path | None) -> None:
    """Find when voice, genre and mood of a song are told, on FOLDER, and measure what is told."""
    from indexer.training import hearing as telling
    from indexer.training.evaluate import hear
    from indexer.training.shards import read_split
    from retrieval.describe.heard import SURE
    from retrieval.encoders.ear_towers import EarAudio
    from retrieval.encoders.ear_weights import FILE, EarWeights

    held = EarWeights(weights or FILE)
    ear, calibration = EarAudio(held.audio()), held.calibration()
    found = {
        split: telling.songs(hear(read_split(folder, split), ear), calibration)
        for split in ("valid", "test", "foreign")
    }
    click.echo(f"here: {telling.find(found['valid'], found['test'])}")
    click.echo(f"told by: {SURE}")
    for split, songs in found.items():
        told = telling.measure(songs)
        click.echo(f"{split}: { {name: round(value, 3) for name, value in told.items()} }")


if __name__ == "__main__":
    main()
