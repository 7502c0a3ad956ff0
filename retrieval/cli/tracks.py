"""``segue tracks``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from retrieval.cli.asking import read_filter
from retrieval.cli.state import State, global_options, pass_state
from retrieval.cli.track_series import show_series

if TYPE_CHECKING:
    from retrieval.core.library import Library
    from retrieval.core.tracks import Track

PAGE = 1_000

filter_option = click.option(
    "--filter",
    "filter_text",
    metavar="TEXT",
    help="Only tracks for which this holds; segue search --help shows how to write it.",
)


@click.group("tracks", no_args_is_help=True)
@global_options()
def command() -> None:
    r"""List, show, count and delete tracks.

    \b
    Examples:
      segue tracks list --filter 'genre = "jazz"' -k 20
      segue tracks show ~/Music/a.flac
      segue tracks series ~/Music/a.flac chords
      segue tracks facets genre
    """


@command.command("list")
@filter_option
@click.option(
    "-k",
    "limit",
    type=click.IntRange(1),
    metavar="N",
    default=100,
    show_default=True,
    help="Tracks wanted.",
)
@click.option("--all", "everything", is_flag=True, help="All of them, whatever -k says.")
@global_options()
@pass_state
def list_tracks(state: State, filter_text: str | None, limit: int, everything: bool) -> None:
    r"""List tracks, in a stable order.

    \b
    Examples:
      segue tracks list
      segue tracks list --all --filter 'duration > 600' | cut -f5
      segue tracks list --filter 'key mixes with "8A" and bpm ~ 118..124'
    """
    from retrieval.cli.opening import open_library
    from retrieval.cli.output import (
        Column,
        clock,
        note,
        path_of,
        print_json,
        print_table,
        text_of,
        title_of,
        track_json,
    )

    with open_library(state) as library:
        tracks, more = _walk(library, filter_text, None if everything else limit)
    if state.json:
        print_json({"tracks": [track_json(track) for track in tracks]})
        return
    rows = []
    for track in tracks:
        duration = track.payload.get("duration")
        rows.append(
            (
                title_of(track),
                text_of(track, "artist"),
                text_of(track, "album"),
                clock(duration) if isinstance(duration, int | float) else "",
                path_of(track),
                track.id,
            )
        )
    columns = (
        Column("title", "bold"),
        Column("artist"),
        Column("album"),
        Column("length", right=True),
        Column("path", "dim", cut=True),
        Column("track", pipes=True),
    )
    print_table(columns, rows, caption=f"{len(rows)} tracks")
    if more:
        note("there are more: --all, or a larger -k")


def _walk(library: Library, filter_text: str | None, limit: int | None) -> tuple[list[Track], bool]:
    condition = read_filter(filter_text)
    tracks: list[Track] = []
    after: str | None = None
    while limit is None or len(tracks) < limit:
        wanted = PAGE if limit is None else min(PAGE, limit - len(tracks))
        page = library.list_tracks(condition, limit=wanted, after=after)
        tracks.extend(page.tracks)
        after = page.next_after
        if after is None:
            break
    return tracks, after is not None


@command.command("show")
@click.argument("tracks", nargs=-1, required=True, metavar="TRACK...")
@global_options()
@pass_state
def show_tracks(state: State, tracks: tuple[str, ...]) -> None:
    """Show all that is known of tracks, named by id, path or title."""
    from retrieval.cli.opening import open_library
    from retrieval.cli.output import Column, print_json, print_table, track_json, value_rows
    from retrieval.cli.references import resolve

    with open_library(state) as library:
        found = [library.get_track(resolve(library, reference)) for reference in tracks]
    if state.json:
        print_json({"tracks": [track_json(track) for track in found]})
        return
    for track in found:
        rows = [("track", track.id), *value_rows(dict(sorted(track.payload.items())))]
        print_table((Column("field", "cyan"), Column("value", fold=True)), rows)


command.add_command(show_series)


@command.command("count")
@filter_option
@global_options()
@pass_state
def count_tracks(state: State, filter_text: str | None) -> None:
    """Count the tracks for which a filter holds."""
    from retrieval.cli.opening import open_library
    from retrieval.cli.output import print_json

    condition = read_filter(filter_text)
    with open_library(state) as library:
        count = library.count_tracks(condition)
    if state.json:
        print_json({"count": count})
    else:
        click.echo(count)


@command.command("facets")
@click.argument("field")
@filter_option
@click.option(
    "-k", "limit", type=click.IntRange(1, 1000), metavar="N", default=100, help="Values wanted."
)
@global_options()
@pass_state
def facets(state: State, field: str, filter_text: str | None, limit: int) -> None:
    r"""Count the values of a payload FIELD, most frequent first.

    \b
    Examples:
      segue tracks facets genre
      segue tracks facets artist --filter 'year >= 2000' -k 10
    """
    from retrieval.cli.opening import open_library
    from retrieval.cli.output import Column, print_json, print_table

    condition = read_filter(filter_text)
    with open_library(state) as library:
        counts = library.facets(field, condition, limit=limit)
    if state.json:
        print_json({"facets": [{"value": one.value, "count": one.count} for one in counts]})
        return
    rows = [(str(one.value), str(one.count)) for one in counts]
    print_table((Column(field, "bold"), Column("tracks", "cyan", right=True)), rows)


@command.command("delete")
@click.argument("tracks", nargs=-1, metavar="[TRACK...]")
@filter_option
@click.option("--yes", is_flag=True, help="Do not ask.")
@global_options()
@pass_state
def delete_tracks(
    state: State, tracks: tuple[str, ...], filter_text: str | None, yes: bool
) -> None:
    r"""Delete tracks from the library; files are never touched.

    Indexing the same folder again brings them back.

    \b
    Examples:
      segue tracks delete ID
      segue tracks delete --filter 'format = "mp3"' --yes
    """
    from retrieval.cli.opening import open_library
    from retrieval.cli.output import print_json
    from retrieval.cli.references import resolve

    if bool(tracks) == (filter_text is not None):
        raise click.UsageError("name the tracks to delete, or give --filter")
    with open_library(state) as library:
        if filter_text is None:
            ids = list(dict.fromkeys(resolve(library, reference) for reference in tracks))
        else:
            ids = [track.id for track in _walk(library, filter_text, None)[0]]
        if ids and not yes and not state.json:
            click.confirm(f"Delete {len(ids)} tracks from the library?", abort=True, err=True)
        deleted = sum(library.delete_tracks(ids[at : at + PAGE]) for at in range(0, len(ids), PAGE))
    if state.json:
        print_json({"deleted": deleted})
    else:
        click.echo(f"deleted {deleted}")
