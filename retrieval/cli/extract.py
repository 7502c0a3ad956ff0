"""``segue extract``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from retrieval.cli.bars import counting
from retrieval.cli.failures import EXIT_FILES_FAILED, EXIT_INTERRUPTED
from retrieval.cli.state import State, global_options, pass_state

if TYPE_CHECKING:
    from indexer.extractors.report import ExtractReport


def _pairs(
    context: click.Context, parameter: click.Parameter, values: tuple[str, ...]
) -> dict[str, Path]:
    del context
    pairs = [value.partition("=") for value in values]
    if not all(name and path for name, _, path in pairs):
        raise click.BadParameter("write MODEL=PATH", param=parameter)
    return {name: Path(path).expanduser() for name, _, path in pairs}


@click.command("extract")
@click.argument("paths", nargs=-1, metavar="[DIR...]")
@click.option("--models", metavar="NAMES", help="Which extractors, with commas; see --list.")
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Where the files go.",
)
@click.option(
    "--weights",
    multiple=True,
    callback=_pairs,
    metavar="MODEL=PATH",
    help="Where the weights of a model are; repeat for more. Default: models/MODEL in the data "
    "folder.",
)
@click.option("--overwrite", is_flag=True, help="Replace files that something else made.")
@click.option("--list", "listed", is_flag=True, help="Tell which extractors there are, and stop.")
@click.option("-q", "--quiet", is_flag=True, help="No progress, and no table.")
@global_options(address=False)
@pass_state
def command(
    state: State,
    *,
    paths: tuple[str, ...],
    models: str | None,
    output: Path | None,
    weights: dict[str, Path],
    overwrite: bool,
    listed: bool,
    quiet: bool,
) -> int:
    r"""Run extractors of the field over sound files: pitch, beats, chords, embeddings.

    Each writes the files that it is known by, such as OUTPUT/embeddings/crepe/NAME.npy, named like
    the sound files and in folders like theirs. A finished file is skipped by what it was made from
    and by what made it: a renamed sound is copied, a replaced one extracted again. One file or one
    model that fails is a line of the report; Ctrl-C keeps all that is finished.

    Some weights may not be used commercially: --list and the table at the end say which.

    \b
    Examples:
      segue extract --list
      segue extract ~/Music --models crepe,mert --output ~/features
      segue extract ~/Music --models madmom --weights madmom=~/madmom/bin/python --output ~/features
      segue extract ~/Music --models btc --weights btc=btc_model.pt --output ~/features

    The mean of each file of frames can join a library as a space of its own, and so can labels:

    \b
      segue index ~/Music --features ~/features/embeddings/mert --space mert
      segue index ~/Music --labels ~/features/chords/btc

    The global options may stand here too; see segue --help.
    """
    if listed:
        _list(state)
        return 0
    if not paths or not models or output is None:
        raise click.UsageError("name the folders of sound, --models and --output; or --list")
    from indexer.extractors.run import ExtractOptions, extract

    settings = state.settings()
    options = ExtractOptions(
        models=[name.strip() for name in models.split(",") if name.strip()],
        models_dir=settings.data_dir / "models",
        weights=weights,
        device=settings.device,
        overwrite=overwrite,
        max_duration=settings.max_duration,
    )
    with counting("extracting", show=not (quiet or state.json)) as progress:
        report = extract(paths, output, options, progress=progress)
    _show(report, state, quiet=quiet)
    if report.interrupted:
        return EXIT_INTERRUPTED
    return 0 if report.clean else EXIT_FILES_FAILED


def _list(state: State) -> None:
    from indexer.extractors.registry import descriptions
    from retrieval.cli.output import Column, print_json, print_table

    if state.json:
        rows = [
            {
                "model": one.name,
                "summary": one.summary,
                "files": [
                    {"path": o.path("NAME"), "rate": o.rate, "shape": o.shape or None}
                    for o in one.outputs
                ],
                "licence": one.licence,
                "non_commercial": one.non_commercial,
                "needs": one.needs,
                "weights": one.weights,
            }
            for one in descriptions()
        ]
        print_json({"models": rows})
        return
    columns = (
        Column("model", "bold"),
        Column("what", fold=True),
        Column("files", "green", fold=True),
        Column("licence"),
        Column("needs", "dim", fold=True),
        Column("weights", "dim", fold=True),
    )
    print_table(
        columns,
        [
            (
                one.name,
                one.summary,
                ", ".join(f"{o.path('NAME')} {o.shape}".strip() for o in one.outputs),
                one.licence,
                one.needs,
                one.weights,
            )
            for one in descriptions()
        ],
    )


def _show(report: ExtractReport, state: State, *, quiet: bool) -> None:
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
    for model in report.models:
        if model.unavailable is not None:
            reason, message = model.unavailable
            click.echo(visible(f"{model.description.name}: {message} [{reason}]"), err=True)
        print_failures(model.failed, of=f"{model.description.name}: ")
    if quiet:
        return
    columns = (
        Column("model", "bold"),
        Column("made", right=True),
        Column("copied", right=True),
        Column("there already", right=True),
        Column("failed", "red", right=True),
        Column("time", right=True),
        Column("× real time", right=True),
        Column("licence"),
        Column("files in", "green", fold=True),
    )
    rows = []
    for model in report.models:
        counts = (model.made, model.copied, model.cached, len(model.failed))
        loaded = model.unavailable is None
        rows.append(
            (
                model.description.name,
                *(str(count) if loaded else "–" for count in counts),
                clock(model.seconds),
                f"{model.speed:.1f}" if model.seconds else "–",
                model.description.licence,
                ", ".join(output.folder for output in model.description.outputs),
            )
        )
    files = "1 sound file" if report.found == 1 else f"{report.found} sound files"
    print_table(columns, rows, caption=f"{files} in {clock(report.seconds)}")
    if report.interrupted:
        click.echo("Stopped early: all finished work is kept; run the same command to go on.")
