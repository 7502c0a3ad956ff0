"""``segue index``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from retrieval.cli.failures import EXIT_FILES_FAILED, EXIT_INTERRUPTED
from retrieval.cli.state import State, global_options, pass_state

if TYPE_CHECKING:
    from indexer import Callback, IndexReport, Progress
    from indexer.features_report import FeatureReport
    from indexer.labels import LabelReport


@click.command("index")
@click.argument("paths", nargs=-1, metavar="[PATH...]")
@click.option(
    "--workers",
    type=click.IntRange(1, 256),
    metavar="N",
    help="Processes that decode; default one per core.",
)
@click.option("--prune", is_flag=True, help="Take out what is gone from under the given paths.")
@click.option(
    "--metadata",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="CSV or JSON with more payload per file.",
)
@click.option(
    "--tags",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="LABELS",
    help="Tag tracks by this list from now on; see segue tag --help.",
)
@click.option(
    "--upgrade",
    is_flag=True,
    help="Encode anew, in place, what an earlier revision of an encoder made; --space for one.",
)
@click.option("--no-tags", is_flag=True, help="Tag no new tracks from now on.")
@click.option(
    "--describe/--no-describe",
    default=True,
    show_default=True,
    help="Measure loudness, tempo, key and the like, as SEGUE_DESCRIPTORS says.",
)
@click.option(
    "--features",
    type=click.Path(exists=True, path_type=Path),
    metavar="DIR|FILE",
    help="Add vectors made elsewhere: files NAME.npy, named like the audio files; or a table.",
)
@click.option(
    "--labels",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    help="Add chords (.lab, .csv) and beats (.beats) made elsewhere, named like the audio files.",
)
@click.option(
    "--space", metavar="NAME", help="Embedding space of these vectors; the one to --upgrade."
)
@click.option(
    "--revision",
    metavar="REV",
    help="What made them, as in segue spaces; 'here': this machine's encoder of that space.",
)
@click.option(
    "--window",
    type=click.FloatRange(0.01, 3600.0),
    metavar="SECONDS",
    help="Length of each row of .npy files with a row per window.",
)
@click.option("-q", "--quiet", is_flag=True, help="No progress, and no summary in words.")
@global_options()
@pass_state
def command(
    state: State,
    *,
    paths: tuple[str, ...],
    workers: int | None,
    prune: bool,
    metadata: Path | None,
    tags: Path | None,
    upgrade: bool,
    no_tags: bool,
    describe: bool,
    features: Path | None,
    labels: Path | None,
    space: str | None,
    revision: str | None,
    window: float | None,
    quiet: bool,
) -> int:
    r"""Bring a library in step with audio files and folders.

    Run it again whenever files change: only what is new is encoded and described. A recording
    is known by its sound, so a renamed or retagged file costs nothing, and the same recording
    twice is one track. A file that cannot be used is one line of the report; the run goes on
    and ends with code 3. Ctrl-C keeps all that is finished; the same command goes on from
    there.

    \b
    Examples:
      segue index ~/Music
      segue index ~/Music --prune --workers 4
      segue index ~/Music --metadata catalogue.csv
      segue index ~/Music --tags labels.txt
      segue index ~/Music --address studio:50051 --json
      segue index --upgrade

    --upgrade is for after an update of Segue, or of weights: a space that another revision of its
    encoder has filled loses its vectors and is filled anew from all files that the library knows,
    wherever they are, and those in PATH. Nothing else is encoded again, queries go on, words find
    what is done already, and the same command goes on after Ctrl-C. Tracks whose files are gone
    stay in all other spaces. Other dimensions are no matter.

    --features imports vectors that another program made, one .npy file (1, dim) per audio file, of
    the same name or the only one of its stem; without a PATH each becomes a track known by its file
    name, or by the lists of segue export. With --revision here they count as made by this machine's
    encoder of that space, and texts and sounds can be compared with them; without a revision they
    get one of their own, imported-…, and only tracks and vectors can.

    \b
      segue index ~/Music --features ~/features --space clamp3 --revision here
      segue index --features ~/embeddings --space mymodel
      segue index --features ~/export/features
      segue index --features audio_features.csv --library cues

    A table, such as audio_features.csv, has the names of its tracks in the first column and then
    the ten perceptual dimensions; it is a feature set of its own, named by --revision.

    The global options may stand here too; see segue --help.
    """
    from indexer import IndexOptions, IndexReport, index
    from retrieval.cli.opening import manifest_dir, open_library
    from retrieval.describe.registry import chosen
    from retrieval.encoders.registry import default_encoders

    if features is None and not (paths or upgrade):
        raise click.UsageError("name the files and folders to index, or --features or --upgrade")
    if tags is not None and no_tags:
        raise click.UsageError("--tags or --no-tags, not both")
    if not (paths or upgrade) and (tags is not None or no_tags):
        raise click.UsageError("--tags and --no-tags need a PATH; segue tag works on what is there")
    if not paths and metadata is not None:
        raise click.UsageError("--metadata needs a PATH: it is about sound files")
    if features is None and (revision, window) != (None, None):
        raise click.UsageError("--revision and --window belong to --features")
    if features is None and space is not None and not upgrade:
        raise click.UsageError("--space belongs to --features or --upgrade")
    table = features if features is not None and features.is_file() else None
    if table is not None and (paths or window is not None or space not in {None, "perceptual"}):
        raise click.UsageError("a table fills the space perceptual, with no PATH and no --window")
    if table is not None and upgrade:
        raise click.UsageError("a table upgrades nothing: import it into a library of its own")
    settings = state.settings()
    options = IndexOptions(
        prune=prune,
        metadata=metadata,
        tags=tags,
        no_tags=no_tags,
        max_duration=settings.max_duration,
        device=settings.device,
        descriptors=chosen(settings.descriptors) if describe else (),
        upgrade=_upgrade(upgrade, None if features is not None else space),
    )
    if workers is not None:
        options = replace(options, workers=workers)
    shown = not (quiet or state.json)
    vectors: FeatureReport | None = None
    told: LabelReport | None = None
    create = bool(paths) or features is not None
    with open_library(state, create=create) as library, _progress(show=shown) as progress:
        if features is None:
            report = index(
                paths,
                library,
                default_encoders(settings),
                manifest_dir=manifest_dir(state),
                options=options,
                progress=progress,
            )
        elif table is not None:
            from indexer.perceptual_import import index_table

            report = IndexReport()
            vectors = index_table(
                table,
                library,
                default_encoders(settings),
                manifest_dir=manifest_dir(state),
                revision=revision,
                prune=prune,
            )
        else:
            from indexer.features import FeatureOptions, index_features

            report, vectors = index_features(
                features,
                paths,
                library,
                default_encoders(settings),
                manifest_dir=manifest_dir(state),
                options=FeatureOptions(space, revision, window, options),
                progress=progress,
            )
        stopped = report.interrupted or (vectors is not None and vectors.interrupted)
        if labels is not None and not stopped:
            from indexer.labels import import_labels

            told = import_labels(
                labels, paths, library, default_encoders(settings), manifest_dir=manifest_dir(state)
            )
    reports = [one for one in (report, vectors, told) if one is not None]
    _show(report, vectors, told, state, quiet=quiet)
    if any(one.interrupted for one in reports):
        return EXIT_INTERRUPTED
    return EXIT_FILES_FAILED if any(one.failed for one in reports) else 0


def _upgrade(wanted: bool, space: str | None) -> frozenset[str] | None:
    if not wanted:
        return None
    return frozenset() if space is None else frozenset({space})


def _show(
    report: IndexReport,
    vectors: FeatureReport | None,
    told: LabelReport | None,
    state: State,
    *,
    quiet: bool,
) -> None:
    from retrieval.cli.output import print_failures, print_json

    if state.json:
        more = {} if vectors is None else {"features": vectors.as_dict()}
        more |= {} if told is None else {"labels": told.as_dict()}
        print_json(report.as_dict() | more)
        return
    # Vectors without sound: of the sound there is nothing to tell.
    reports: list[IndexReport | FeatureReport | LabelReport] = []
    if report.found or vectors is None:
        reports.append(report)
    reports += [one for one in (vectors, told) if one is not None]
    for one in reports:
        print_failures((*one.failed, *one.notes))
    for one in () if quiet else reports:
        click.echo(one.in_words())


@contextmanager
def _progress(*, show: bool) -> Iterator[Callback | None]:
    """A live bar on a terminal; nothing in a pipe."""
    if not show or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
    from rich.progress import Progress as Bar

    from retrieval.cli.output import clock, visible

    bar = Bar(
        TextColumn("[bold]{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[eta]}"),
        TextColumn("[red]{task.fields[failed]}"),
        TextColumn("[dim]{task.fields[path]}"),
        console=Console(stderr=True),
        transient=True,
    )
    with bar:
        task = bar.add_task("looking for files", total=None, eta="", failed="", path="")

        def show_progress(now: Progress) -> None:
            left = now.remaining
            bar.update(
                task,
                description=_WORDS[now.stage.value],
                total=now.total or None,
                completed=now.done,
                eta="" if left is None else f"{clock(left)} left",
                failed=f"{now.failed} failed" if now.failed else "",
                path=escape(visible(Path(now.path).name[:40])),
            )

        yield show_progress


_WORDS = {"scan": "looking for files", "index": "indexing", "finish": "building indexes"}
