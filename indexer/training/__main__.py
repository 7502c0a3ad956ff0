"""``python -m indexer.training``: render, train and evaluate the ear."""

from __future__ import annotations

import os
from collections.abc import Mapping
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
@click.option("--scores", default=14, show_default=True, help="Shards of scores to train on.")
@click.option("--others", default=5, show_default=True, help="Shards of every other split.")
@click.option("--workers", default=os.cpu_count() or 1, show_default="cores", help="Processes.")
def render(folder: Path, count: int, scores: int, others: int, workers: int) -> None:
    """Render what is missing of the shards into FOLDER.

    Scores are those of music21's corpus that are in the public domain; without music21, songs are
    composed only.
    """
    from indexer.training.dataset import SPLITS, write_shard
    from indexer.training.scores import installed

    if not installed():
        click.echo("music21 is not installed: no scores (pip install 'segue[train]')", err=True)
    folder.mkdir(parents=True, exist_ok=True)
    trained = {"train": count, "train-scores": scores}
    # Of scores there are fewer that are held out.
    wanted = [
        (name, number)
        for name, split in SPLITS.items()
        if installed() or not split.scores
        for number in range(trained.get(name, min(others, 3) if split.scores else others))
    ]
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        for job in [pool.submit(write_shard, folder, SPLITS[s], n) for s, n in wanted]:
            click.echo(job.result())


@main.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("checkpoint", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--minutes", default=60.0, show_default=True, help="Stop after so long.")
@click.option("--processes", default=2, show_default=True, help="Of one thread each.")
@click.option(
    "--from",
    "start",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A checkpoint to go on from, at a lower rate, with words and shards that came since.",
)
def train(
    folder: Path, checkpoint: Path, minutes: float, processes: int, start: Path | None
) -> None:
    """Train on the shards of FOLDER and write CHECKPOINT."""
    from indexer.training import parallel
    from indexer.training.train import FURTHER, Recipe

    recipe = Recipe() if start is None else FURTHER
    parallel.train(parallel.Run(folder, checkpoint, minutes, processes, recipe, start))


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
    from indexer.training.rewording import captions_reworded, words_replaced
    from indexer.training.shards import read_split
    from indexer.training.wordnet import synonyms
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
            _print(split, found)
        if others := synonyms():
            _print(f"{split}, other words", captions_reworded(heard, read, others))
            _print(f"{split}, other words", words_replaced(heard, read, others))
        else:
            click.echo("WordNet is not installed: other words are not measured", err=True)
        if shards := read_split(folder, f"scores-{split}"):
            heard = measure.hear(shards, ear)
            for found in (
                measure.captions_to_sound(heard, read),
                measure.zero_shot(heard, read),
                measure.sound_to_sound(heard),
                measure.attribute_report(heard),
            ):
                _print(f"scores-{split}", found)
    _print("copies", copies(ear))
    if recordings is not None:
        for query, answer in measure.recordings(recordings, ear, read).items():
            click.echo(f"{query}: {answer}")


def _print(what: str, found: Mapping[str, float]) -> None:
    click.echo(f"{what}: { {name: round(value, 3) for name, value in found.items()} }")


@main.command()
@click.argument("checkpoint", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--shards",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder whose valid shards attributes, also of scores, and fits are calibrated on; else "
    "they are not.",
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
        ear = EarAudio(exporting.fold_audio(state["audio"]))
        heard = hear(valid, ear)
        cohort = make_cohort(heard, exporting.reader(state))
        scores = read_split(shards, "scores-valid") if shards else []
        every = [heard, hear(scores, ear)] if scores else [heard]
        logits = np.concatenate([some.logits for some in every])
        values = np.concatenate([some.values for some in every])
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
