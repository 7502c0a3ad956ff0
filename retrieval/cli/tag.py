"""``segue tag``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from retrieval.cli.bars import counting_stages
from retrieval.cli.failures import EXIT_INTERRUPTED
from retrieval.cli.state import State, global_options, pass_state

if TYPE_CHECKING:
    from indexer.tagging import LabelCount, TagReport
    from retrieval.encoders.zero_shot import Label


@click.command("tag")
@click.argument(
    "file",
    required=False,
    metavar="[LABELS.txt]",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
)
@click.option(
    "--label", "names", multiple=True, metavar="NAME", help="A label, as on a line of such a file."
)
@click.option(
    "--standard", is_flag=True, help="The labels of voice, mood and genre that come with Segue."
)
@click.option("--space", "spaces", multiple=True, metavar="NAME", help="Only these spaces.")
@click.option(
    "--threshold",
    type=click.FloatRange(0.1, 1.0),
    metavar="SCORE",
    help="Score from which on a label is a tag; remembered.  [default: 0.5]",
)
@click.option(
    "--recalibrate", is_flag=True, help="Measure all labels anew on the library as it is now."
)
@click.option("--dry-run", is_flag=True, help="Show what each label would get; write nothing.")
@click.option(
    "--clear", is_flag=True, help="Take all tags off, forget the labels, tag no new tracks."
)
@click.option(
    "--audio",
    "sounds",
    multiple=True,
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Score this sound file instead, and write nothing.",
)
@click.option("-q", "--quiet", is_flag=True, help="No progress, and no table.")
@global_options()
@pass_state
def command(
    state: State,
    *,
    file: Path | None,
    names: tuple[str, ...],
    standard: bool,
    spaces: tuple[str, ...],
    threshold: float | None,
    recalibrate: bool,
    dry_run: bool,
    clear: bool,
    sounds: tuple[Path, ...],
    quiet: bool,
) -> int:
    r"""Tag tracks by a list of labels, through a space of words and sound (ear, clap, clamp3).

    \b
      # LABELS.txt: one label per line
      [mood]
      calm
      energetic | fast and loud music | music to run to
      [instrument]
      piano

    What stands after "|" says what a label means, in place of prompts of Segue's own; headings
    group (mood and instrument have prompts of their own). The list is the whole list: labels that
    are not in it any more lose their tags. Without a list the remembered one is used.

    Each label is measured on the library: the score, 0 to 1, is how likely a track belongs to the
    group that the label sets apart there, and means the same for every label. A label that sets
    nothing apart gets outliers or nothing. Thresholds are frozen then, and "segue index" tags new
    tracks by them, until --recalibrate. It takes 16 tracks.

    \b
    Examples:
      segue tag --standard
      segue tag labels.txt --dry-run
      segue tag labels.txt
      segue search "piano" --filter 'tags = "calm" and tag_energetic < 0.3'
      segue tracks facets tags
      segue tag --audio demo.wav --label calm --label energetic

    The global options may stand here too; see segue --help.
    """
    labels = _labels(file, names, standard=standard)
    if clear:
        if labels or spaces or threshold or recalibrate or dry_run or sounds:
            raise click.UsageError("--clear takes no labels and no other options")
        return _clear(state, quiet=quiet)

    from indexer.tagging_measure import Wish

    wish = Wish(labels or None, spaces, threshold, recalibrate)
    if sounds:
        from retrieval.cli.tag_sounds import show_sounds

        show_sounds(state, wish, sounds)
        return 0

    from indexer.tagging import tag
    from retrieval.cli.opening import manifest_dir, open_library
    from retrieval.encoders.registry import default_encoders

    shown = not (quiet or state.json)
    with open_library(state) as library, counting_stages("reading labels", show=shown) as watch:
        report = tag(
            library,
            default_encoders(state.settings()),
            wish,
            manifest_dir=manifest_dir(state),
            dry_run=dry_run,
            watch=watch,
        )
    _show(report, state, dry_run=dry_run, quiet=quiet)
    return EXIT_INTERRUPTED if report.interrupted else 0


def _labels(file: Path | None, names: tuple[str, ...], *, standard: bool) -> tuple[Label, ...]:
    from indexer.tagging_labels import named_labels, read_labels
    from indexer.tagging_standard import standard_labels

    if (file is not None) + bool(names) + standard > 1:
        raise click.UsageError("give labels once: a file, --label or --standard, not both")
    if standard:
        return standard_labels()
    if file is not None:
        return read_labels(file)
    return named_labels(names) if names else ()


def _clear(state: State, *, quiet: bool) -> int:
    from indexer.tagging import clear
    from retrieval.cli.opening import manifest_dir, open_library
    from retrieval.cli.output import print_json

    shown = not (quiet or state.json)
    with open_library(state) as library, counting_stages("reading labels", show=shown) as watch:
        changed = clear(library, manifest_dir=manifest_dir(state), watch=watch)
    if state.json:
        print_json({"cleared": changed})
    elif not quiet:
        click.echo(f"cleared {changed}")
    return 0


def _show(report: TagReport, state: State, *, dry_run: bool, quiet: bool) -> None:
    from retrieval.cli.output import Column, note, print_json, print_table, title_of

    if state.json:
        print_json(
            {
                "labels": [_json(one) for one in report.labels],
                "threshold": report.threshold,
                "tracks": report.tracks,
                "tagged": report.tagged,
                "changed": report.changed,
                "dry_run": dry_run,
            }
        )
        return
    if not quiet:
        rows = [
            (
                one.group,
                one.name,
                str(one.tracks),
                ", ".join(f"{space} {_share(share)}" for space, share in one.shares.items()),
                ", ".join(f"{title_of(track)} {score:.2f}" for track, score in one.examples),
                one.field,
            )
            for one in report.labels
        ]
        columns = (
            Column("group", "dim"),
            Column("label", "bold"),
            Column("tracks", "cyan", right=True),
            Column("sets apart"),
            Column("best", cut=True),
            Column("field", pipes=True),
        )
        would = "would have" if dry_run else "have"
        caption = (
            f"{report.tagged} of {report.tracks} tracks {would} tags, from a score of "
            f"{report.threshold:g}; {report.changed} changed"
        )
        print_table(columns, rows, caption=caption)
    if report.interrupted:
        note("stopped early: what is tagged stays so; run the same command to go on")


def _share(share: float | None) -> str:
    return "nothing" if share is None else f"{100 * share:.2g} %"


def _json(one: LabelCount) -> dict[str, Any]:
    from retrieval.cli.output import title_of

    return {
        "name": one.name,
        "group": one.group,
        "field": one.field,
        "tracks": one.tracks,
        "sets_apart": dict(one.shares),
        "examples": [
            {"track": track.id, "title": title_of(track), "score": score}
            for track, score in one.examples
        ],
    }
