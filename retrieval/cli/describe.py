"""``segue describe``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from retrieval.cli.failures import EXIT_FILES_FAILED
from retrieval.cli.state import State, global_options, pass_state

if TYPE_CHECKING:
    from indexer.describe_file import FileFacts
    from retrieval.describe.protocol import Descriptor
    from retrieval.encoders.protocol import AudioEncoder

_ALWAYS = ("duration", "bpm", "key", "mode", "camelot")


@click.command("describe")
@click.argument(
    "files",
    nargs=-1,
    required=True,
    metavar="FILE...",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
)
@click.option(
    "--plot",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="PNG",
    help="Draw waveform with sections, mel spectrogram, and chroma with chords and beats; one FILE "
    "only.",
)
@global_options(address=False)
@pass_state
def command(state: State, *, files: tuple[Path, ...], plot: Path | None) -> int:
    r"""Tell everything known about sound files: tags, loudness, tempo, key, timbre and more.

    No library is needed. --json prints one flat object per file and line, with null for what is not
    known; numbers have the units of the README's table. Note density is told where the model of
    Basic Pitch is installed.

    \b
    Examples:
      segue describe song.mp3
      segue describe song.mp3 --json | jq .bpm
      segue describe song.mp3 --plot song.png

    The global options may stand here too; see segue --help.
    """
    from indexer.describe_file import describe_file
    from retrieval.audio import Limits
    from retrieval.cli.output import visible
    from retrieval.core.errors import AudioError
    from retrieval.encoders.registry import load

    if plot is not None and len(files) > 1:
        raise click.UsageError("--plot draws one FILE")
    if plot is not None:
        from retrieval.cli.plotting import check_matplotlib

        check_matplotlib()
    descriptors = _descriptors()
    encoders = [cast("AudioEncoder", load(name)) for name in ("perceptual", "ear")]
    limits = Limits(max_duration=state.settings().max_duration)
    failed = False
    for path in files:
        try:
            facts = describe_file(path, descriptors, encoders, limits=limits)
        except AudioError as error:
            if len(files) == 1:
                raise
            failed = True
            click.echo(visible(f"{error.message} [{error.reason}]"), err=True)
            continue
        for problem in facts.described.problems:
            click.echo(visible(f"{path}: {problem} [DESCRIBING_FAILED]"), err=True)
        _show(path, facts, state)
        if plot is not None:
            from retrieval.cli.plotting import draw

            draw(facts, plot, title=path.name)
    return EXIT_FILES_FAILED if failed else 0


def _descriptors() -> list[Descriptor]:
    """Every descriptor there is on this machine."""
    from retrieval.core.errors import PreconditionError
    from retrieval.describe.registry import descriptions, load

    found = []
    for one in descriptions():
        try:
            found.append(load(one.name))
        except PreconditionError:
            if one.core:
                raise
    return found


def _show(path: Path, facts: FileFacts, state: State) -> None:
    import json

    from retrieval.cli.output import Column, print_table, value_rows

    if state.json:
        unknown = dict.fromkeys((*_ALWAYS, *sorted(facts.described.fields)))
        payload = {**unknown, **dict(sorted(facts.payload.items()))}
        shown = {"file": str(path), "track": facts.track_id, **payload}
        click.echo(json.dumps(shown, ensure_ascii=False))
        return
    known = {"file": str(path), "track": facts.track_id, **dict(sorted(facts.payload.items()))}
    series = {f"{one.name} (series)": f"{len(one.values)} values" for one in facts.described.series}
    rows = value_rows({**known, **series})
    print_table((Column("field", "cyan"), Column("value", fold=True)), rows)
