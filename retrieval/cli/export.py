"""``segue export``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from retrieval.cli.asking import read_filter
from retrieval.cli.bars import counting
from retrieval.cli.failures import EXIT_FILES_FAILED, EXIT_INTERRUPTED
from retrieval.cli.state import State, global_options, pass_state

if TYPE_CHECKING:
    from indexer.features_export import ExportOptions, ExportReport
    from retrieval.core.library import Library

TABLE = "tracks.parquet"


@click.command("export")
@click.argument("target", metavar="DEST", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "kind",
    type=click.Choice(["npy", "parquet"]),
    default="npy",
    show_default=True,
    help="One .npy file per track, or one Parquet table.",
)
@click.option(
    "--space",
    "spaces",
    multiple=True,
    metavar="NAME",
    help="Only this embedding space; repeat for more. Default: all with vectors.",
)
@click.option("--filter", "filter_text", metavar="TEXT", help="Only tracks for which this holds.")
@click.option("--segments", is_flag=True, help="Parquet: one row per segment, with start and end.")
@click.option("--overwrite", is_flag=True, help="Replace files that no export made.")
@click.option("-q", "--quiet", is_flag=True, help="No progress, and no summary in words.")
@global_options()
@pass_state
def command(
    state: State,
    *,
    target: Path,
    kind: str,
    spaces: tuple[str, ...],
    filter_text: str | None,
    segments: bool,
    overwrite: bool,
    quiet: bool,
) -> int:
    r"""Write the library's vectors to files for other programs.

    npy: DEST/features/NAME.npy, float32 (1, dim), named like the sound file and in folders like
    its own; of several spaces DEST/features/SPACE/NAME.npy. Names that are alike get the beginning
    of the track's id. Beside them, space.json and tracks.jsonl let segue index --features know
    every track again. A second export writes only what has changed.

    parquet: DEST, or tracks.parquet in the folder DEST: a column per payload field, and one of
    list<float> per space.

    \b
    Examples:
      segue export ~/out --space clamp3
      segue export ~/out --filter 'genre = "jazz"'
      segue export library.parquet --format parquet
      segue export moments.parquet --format parquet --segments --space clap

    The global options may stand here too; see segue --help.
    """
    from indexer.features_export import ExportOptions
    from retrieval.cli.opening import open_library

    if segments and kind != "parquet":
        raise click.UsageError("--segments needs --format parquet: a .npy file is one track")
    options = ExportOptions(spaces, read_filter(filter_text), overwrite)
    shown = not (quiet or state.json)
    with open_library(state) as library, counting("exporting", show=shown) as progress:
        if kind == "parquet":
            return _table(
                state, library, target, options, segments=segments, quiet=quiet, progress=progress
            )
        from indexer.features_export import export_features

        report = export_features(library, target, options, progress=progress)
    _show(report, state, quiet=quiet)
    if report.interrupted:
        return EXIT_INTERRUPTED
    return EXIT_FILES_FAILED if report.failed else 0


def _table(
    state: State,
    library: Library,
    target: Path,
    options: ExportOptions,
    *,
    segments: bool,
    quiet: bool,
    progress: Callable[[int, int], None] | None,
) -> int:
    from indexer.features_table import export_table
    from retrieval.cli.output import print_json

    path = target / TABLE if target.is_dir() else target
    report = export_table(library, path, options, segments=segments, progress=progress)
    if report.interrupted:
        raise KeyboardInterrupt
    if state.json:
        print_json(report.as_dict())
    elif not quiet:
        click.echo(f"Wrote {report.rows} rows of {report.tracks} tracks to {report.file}.")
    return 0


def _show(report: ExportReport, state: State, *, quiet: bool) -> None:
    from retrieval.cli.output import print_failures, print_json, visible

    if state.json:
        print_json(report.as_dict())
        return
    print_failures((*report.failed, *report.notes))
    for track_id, name in report.renamed.items():
        click.echo(visible(f"{name}: named so because another is alike ({track_id})"), err=True)
    if quiet:
        return
    click.echo(
        f"Exported {report.tracks} tracks in {report.seconds:.1f} s: {report.written} files "
        f"written, {report.unchanged} unchanged, {len(report.failed)} failed."
    )
    for space, folder in report.folder.items():
        lacking = report.without.get(space, 0)
        rest = f" ({lacking} tracks have no vector in it)" if lacking else ""
        click.echo(visible(f"{space}: {folder}{rest}"))
