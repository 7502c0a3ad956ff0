"""``segue copy``."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from retrieval.cli.bars import counting
from retrieval.cli.state import State, global_options, pass_state

if TYPE_CHECKING:
    from retrieval.settings import Settings

_URL = re.compile(r"^https?://", re.IGNORECASE)


@click.command("copy")
@click.option(
    "--from",
    "source",
    metavar="DIR|URL",
    help="Data folder or Qdrant server to read; default: what --data or --qdrant say.",
)
@click.option(
    "--to", "target", required=True, metavar="DIR|URL", help="Data folder or Qdrant server to fill."
)
@click.option("--to-library", metavar="NAME", help="Its name there; default: the same.")
@global_options(address=False)
@pass_state
def command(state: State, *, source: str | None, target: str, to_library: str | None) -> None:
    r"""Copy a library to another store: tracks, vectors, segments, statistics and series.

    Nothing is encoded again. A copy that was cut short is completed by running it again. The target
    must be empty or an earlier copy; stop the service of either side first.

    \b
    Examples:
      segue copy --to http://localhost:6334
      segue copy --from http://localhost:6334 --to ~/backup
      segue copy --from ~/a --to ~/b --library music --to-library archive

    The global options --data, --library and --qdrant may stand here too; see segue --help.
    """
    from retrieval.cli.opening import open_store_at
    from retrieval.cli.output import print_json
    from retrieval.store.copy import copy_library
    from retrieval.store.series import SeriesFolder

    read = _place(state, source, None)
    write = _place(state, target, to_library)
    if _where(read) == _where(write):
        raise click.UsageError("--from and --to are the same library")
    started = time.perf_counter()
    origin = open_store_at(read, create=False)
    try:
        destination = open_store_at(write, create=True)
        try:
            with counting("copying", show=not state.json) as progress:
                copied = copy_library(origin, destination, progress)
            destination.optimize()
        finally:
            destination.close()
    finally:
        origin.close()
    SeriesFolder.of(read).copy_to(SeriesFolder.of(write))
    seconds = time.perf_counter() - started
    if state.json:
        print_json({"tracks": copied, "seconds": round(seconds, 3)})
    else:
        click.echo(f"Copied {copied} tracks in {seconds:.1f} s.")


def _place(state: State, given: str | None, library: str | None) -> Settings:
    chosen: dict[str, object] = {} if library is None else {"library": library}
    if given is None:
        return state.settings(**chosen)
    if _URL.match(given):
        return state.settings(qdrant_url=given, **chosen)
    settings = state.settings(data_dir=Path(given), **chosen)
    return settings.model_copy(update={"qdrant_url": None})


def _where(settings: Settings) -> tuple[str, str]:
    place = settings.qdrant_url or str(settings.data_dir.absolute())
    return place.rstrip("/"), settings.library
