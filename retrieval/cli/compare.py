"""``segue compare``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from retrieval.cli.bars import counting
from retrieval.cli.failures import EXIT_FILES_FAILED
from retrieval.cli.state import State, global_options, pass_state

if TYPE_CHECKING:
    from indexer.compare import Comparison
    from indexer.sides import Side
    from retrieval.encoders.protocol import Encoder
    from retrieval.settings import Settings


@click.command("compare")
@click.argument("paths", nargs=-1, metavar="A B", type=click.Path(exists=True, path_type=Path))
@click.option("--text", metavar="TEXT", help="Compare this text with B, instead of A.")
@click.option(
    "--space",
    "spaces",
    multiple=True,
    metavar="NAME",
    help="Only in this embedding space; repeat for more. Default: those of SEGUE_ENCODERS.",
)
@click.option("--group", is_flag=True, help="Compare the mean vectors of the two sides.")
@click.option("--pairs", is_flag=True, help="List every pair, too.")
@click.option(
    "--workers",
    type=click.IntRange(1, 256),
    metavar="N",
    help="Processes that decode; default one per core.",
)
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
@global_options()
@pass_state
def command(
    state: State,
    *,
    paths: tuple[Path, ...],
    text: str | None,
    spaces: tuple[str, ...],
    group: bool,
    pairs: bool,
    workers: int | None,
    quiet: bool,
) -> int:
    r"""Tell how alike A and B are: two files, two folders, or one of each. Needs no library.

    A file is sound, a .npy vector or a .txt text. Of two folders, files of the same relative name
    without extension are compared, and the mean is shown; with --group, the mean vectors of the
    folders. A file or text is compared with every file of a folder, the most alike first. The
    measure is the cosine; in the perceptual space minus the distance, so that 0 is the same sound.

    \b
    Examples:
      segue compare a.flac b.mp3
      segue compare ~/originals ~/covers --space clamp3
      segue compare ~/generated ~/references --space clamp3 --group
      segue compare --text "calm piano" ~/Music --space clap
      segue compare ~/features-1 ~/features-2

    The global options may stand here too; see segue --help.
    """
    from dataclasses import replace

    from indexer.compare import compare
    from indexer.options import IndexOptions
    from indexer.sides import read_side, text_side

    if len(paths) != (2 if text is None else 1):
        raise click.UsageError("give two files or folders, or --text and one")
    a = text_side(text) if text is not None else read_side(paths[0])
    b = read_side(paths[-1])
    settings = state.settings(encoders=",".join(dict.fromkeys(spaces)) or None)
    options = IndexOptions(max_duration=settings.max_duration)
    if workers is not None:
        options = replace(options, workers=workers)
    with counting("encoding", show=not (quiet or state.json)) as progress:
        result = compare(
            a, b, _encoders(a, b, settings), group=group, options=options, progress=progress
        )
    if result.interrupted:
        raise KeyboardInterrupt
    _show(result, a, b, state, group=group, pairs=pairs)
    return EXIT_FILES_FAILED if result.failed else 0


def _encoders(a: Side, b: Side, settings: Settings) -> list[Encoder]:
    from indexer.sides import Kind
    from retrieval.encoders.registry import default_encoders

    if a.kind is b.kind is Kind.FEATURES:
        return []
    return list(default_encoders(settings).values())


def _show(result: Comparison, a: Side, b: Side, state: State, *, group: bool, pairs: bool) -> None:
    from retrieval.cli.output import Column, print_failures, print_json, print_table, visible

    if state.json:
        print_json(
            {
                "a": a.name,
                "b": b.name,
                "group": group,
                "spaces": [
                    {"name": name, "measure": result.measures[name], "score": score}
                    for name, score in result.means.items()
                ],
                "pairs": [{"a": p.a, "b": p.b, "scores": dict(p.scores)} for p in result.pairs],
                "unpaired": list(result.unpaired),
                "failed": [
                    {"path": f.path, "reason": f.reason, "message": f.message}
                    for f in result.failed
                ],
            }
        )
        return
    print_failures(result.failed)
    if result.unpaired:
        few = ", ".join(result.unpaired[:5]) + (", …" if len(result.unpaired) > 5 else "")
        click.echo(visible(f"{len(result.unpaired)} without a partner: {few}"), err=True)
    names = list(result.means)
    if len(result.pairs) > 1 and (pairs or not (a.folder and b.folder)):
        columns = [Column(f"{name} {result.measures[name]}", "cyan", right=True) for name in names]
        rows = [(*(_number(p.scores.get(name)) for name in names), p.a, p.b) for p in result.pairs]
        print_table([*columns, Column("A", "bold"), Column("B")], rows)
    if len(result.pairs) <= 1 or (a.folder and b.folder):
        columns = [Column("space", "bold"), Column("measure"), Column("score", "cyan", right=True)]
        columns.append(Column("pairs", right=True))
        rows = [
            (n, result.measures[n], _number(result.means[n]), str(len(result.pairs))) for n in names
        ]
        print_table(columns, rows)


def _number(score: float | None) -> str:
    text = "" if score is None else f"{score:.6f}"
    return "0.000000" if text == "-0.000000" else text
