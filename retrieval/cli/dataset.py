"""``segue dataset``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from retrieval.cli.bars import counting
from retrieval.cli.failures import EXIT_FILES_FAILED, EXIT_INTERRUPTED
from retrieval.cli.state import State, global_options, pass_state

if TYPE_CHECKING:
    from indexer.dataset.report import DatasetReport


@click.group("dataset")
def command() -> None:
    r"""Make datasets of videos and their music, for models that generate.

    \b
    Examples:
      segue dataset build ~/Videos --output ~/dataset
    """


@command.command("build")
@click.argument("videos", nargs=-1, required=True, metavar="VIDEOS...")
@click.option(
    "--output",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="The dataset.",
)
@click.option("--skip", multiple=True, metavar="STEP", help="Leave a step out; repeat for more.")
@click.option(
    "--given",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    help="Outputs made elsewhere, as DIR/STEP/NAME.lab, .csv, .npy or .mid.",
)
@click.option(
    "--clip",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="CLIP ViT-L/14@336 of transformers. Default: models/clip-vit in the data folder.",
)
@click.option("--resplit", is_flag=True, help="Draw train, val and test anew.")
@click.option("-q", "--quiet", is_flag=True, help="No progress, and no table.")
@global_options(address=False)
@pass_state
def build(
    state: State,
    *,
    videos: tuple[str, ...],
    output: Path,
    skip: tuple[str, ...],
    given: Path | None,
    clip: Path | None,
    resplit: bool,
    quiet: bool,
) -> int:
    r"""Take videos apart into what a generator of music learns from, second by second.

    Eleven steps, each in a folder of its own: frames, motion, semantic, emotion, scene, audio,
    loudness, chord, midi, note_density, meta. A finished step is kept as long as the content of the
    video, the step and what it needs stay as they are, whatever the files are called. A step ends
    as ok, cached, skipped, failed or blocked; blocked ones lack weights or what another step should
    have made, and --given can supply both. Validation and test videos stay what they are: new ones
    join train. Ctrl-C keeps all that is finished.

    \b
    Examples:
      segue dataset build ~/Videos --output ~/dataset
      segue dataset build ~/Videos --output ~/dataset --clip ~/clip-vit-large-patch14-336
      segue dataset build ~/Videos --output ~/dataset --given ~/labels --skip semantic --json

    The global options may stand here too; see segue --help.
    """
    from indexer.dataset.build import BuildOptions, build_dataset

    settings = state.settings()
    options = BuildOptions(
        clip_weights=clip or settings.data_dir / "models" / "clip-vit",
        skip=frozenset(skip),
        given=given,
        resplit=resplit,
        device=settings.device,
    )
    with counting("building", show=not (quiet or state.json)) as progress:
        report = build_dataset(videos, output, options, progress=progress)
    _show(report, state, quiet=quiet)
    if report.interrupted:
        return EXIT_INTERRUPTED
    return 0 if report.clean else EXIT_FILES_FAILED


def _show(report: DatasetReport, state: State, *, quiet: bool) -> None:
    from indexer.dataset.graph import State as StepState
    from retrieval.cli.output import (
        Column,
        clock,
        print_failures,
        print_json,
        print_table,
        visible,
    )

    if state.json:
        print_json(report.as_dict())
        return
    print_failures(report.failed)
    for path in report.duplicates:
        click.echo(visible(f"{path}: the same video as another one; left out"), err=True)
    for item in report.items:
        for name, done in item.done.items():
            if done.state is StepState.FAILED:
                told = f"{item.source}: {name}: {done.message} [{done.reason}]"
                click.echo(visible(told), err=True)
    if quiet:
        return
    columns = (
        Column("step", "bold"),
        *(Column(state.value, right=True) for state in StepState),
        Column("why blocked", "dim", fold=True),
    )
    rows = [
        (
            name,
            *(str(report.counts(name)[state]) for state in StepState),
            "; ".join(f"{count}× {why}" for why, count in report.reasons(name)),
        )
        for name in report.steps
    ]
    shares = ", ".join(f"{count} {split}" for split, count in sorted(report.splits.items()))
    videos = "1 video" if len(report.items) == 1 else f"{len(report.items)} videos"
    caption = f"{videos} in {clock(report.seconds)}" + (f": {shares}" if shares else "")
    print_table(columns, rows, caption=caption)
    if report.interrupted:
        click.echo("Stopped early: all finished work is kept; run the same command to go on.")
