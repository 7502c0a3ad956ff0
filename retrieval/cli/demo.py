"""``segue demo``."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from retrieval.cli.state import State, global_options, pass_state

if TYPE_CHECKING:
    from rich.console import Console

    from retrieval.cli.demo_report import Show

LIBRARY = "demo"
EXIT_WRONG = 1


@click.command("demo")
@click.option(
    "--keep",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Keep the music and the library here, so that the next run is quick.",
)
@global_options(address=False)
@pass_state
def command(state: State, *, keep: Path | None) -> int:
    r"""Show the whole thing on a small library of rendered music.

    Forty short pieces are synthesised, written to tagged files and indexed. A service is started on
    a free port and asked five questions over gRPC: words in tags, words for the sound, a track, a
    sound file and a vector. What comes back is judged by what the pieces really are. The exit code
    is 0 only if every answer is right and the service stopped cleanly, else 1.

    \b
    Examples:
      segue demo
      segue demo --keep ~/segue-demo     and then: segue search piano --data ~/segue-demo/data
                                                   --library demo
    """
    from rich.console import Console

    console = Console(stderr=state.json)
    if not console.is_terminal:
        console.width = max(console.width, 120)
    with _folder(keep) as folder:
        show = _run(folder, console)
    from retrieval.cli.demo_report import as_json, print_show
    from retrieval.cli.output import print_json

    if state.json:
        print_json(as_json(show))
    else:
        print_show(show, console, keep / "data" if keep else None, LIBRARY)
    return 0 if show.right else EXIT_WRONG


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        yield keep.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="segue-demo-") as folder:
        yield Path(folder)


def _run(folder: Path, console: Console) -> Show:
    from indexer.synth.catalogue import catalogue
    from indexer.synth.rendering import render_library
    from retrieval.cli.child_service import ChildService
    from retrieval.cli.demo_questions import ask_all
    from retrieval.cli.demo_report import Show
    from retrieval.client import Client
    from retrieval.core.errors import PreconditionError

    show = Show(catalogue())
    with _stage(show, "render", "playing forty pieces", console) as status:
        render_library(
            folder / "music",
            show.pieces,
            progress=lambda done, total: status(f"playing piece {done} of {total}"),
        )
    with _stage(show, "index", "listening to them", console):
        try:
            _index(folder)
        except PreconditionError as error:
            if error.reason != "REVISION_MISMATCH":
                raise
            # Kept since before an encoder changed: nothing in it is of use any more.
            shutil.rmtree(folder / "data" / LIBRARY)
            shutil.rmtree(_manifest(folder), ignore_errors=True)
            _index(folder)
    service = ChildService(folder / "data", LIBRARY)
    with _stage(show, "start", "starting the service", console):
        service.__enter__()
    try:
        with _stage(show, "ask", "asking", console):
            client = Client(service.address)
            try:
                show.tracks = client.count_tracks()
                show.answers = ask_all(client, show.pieces)
            finally:
                client.close()
    finally:
        with _stage(show, "stop", "stopping the service", console):
            service.stop()
    show.service_exit = service.exit_code
    return show


def _index(folder: Path) -> None:
    from indexer import IndexOptions, index
    from retrieval.describe.registry import chosen
    from retrieval.encoders.registry import default_encoders
    from retrieval.search import LocalLibrary
    from retrieval.settings import DEFAULT_ENCODERS, Settings
    from retrieval.store import open_store
    from retrieval.store.series import SeriesFolder

    # Whatever the environment says, the demo keeps to its own folder and encoders.
    settings = Settings(
        data_dir=folder / "data", library=LIBRARY, qdrant_url=None, encoders=DEFAULT_ENCODERS
    )
    encoders = default_encoders(settings)
    library = LocalLibrary(open_store(settings), encoders, series=SeriesFolder.of(settings))
    try:
        report = index(
            [folder / "music"],
            library,
            encoders,
            manifest_dir=_manifest(folder),
            options=IndexOptions(prune=True, descriptors=chosen(settings.descriptors)),
        )
    finally:
        library.close()
    if report.interrupted:
        raise KeyboardInterrupt


def _manifest(folder: Path) -> Path:
    # Where `segue index` keeps it, so that the library can be indexed further.
    return folder / "data" / ".manifests" / LIBRARY


@contextmanager
def _stage(show: Show, name: str, words: str, console: Console) -> Iterator[Any]:
    began = time.perf_counter()
    with console.status(f"{words} …") as status:
        yield status.update
    show.seconds[name] = time.perf_counter() - began
