"""What ``segue demo`` tells: tables for people, or one JSON object."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table

from indexer.synth.catalogue import Piece
from retrieval.cli.demo_questions import Answer
from retrieval.cli.output import response_json, text_of, title_of

QUESTIONS = 5


@dataclass(slots=True)
class Show:
    """What happened.

    Attributes:
        pieces: What was rendered.
        tracks: Tracks the service counted.
        answers: In the order asked.
        service_exit: Exit code of the service.
        seconds: Wall-clock time by stage.
    """

    pieces: tuple[Piece, ...]
    tracks: int = 0
    answers: tuple[Answer, ...] = ()
    service_exit: int | None = None
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def right(self) -> bool:
        """Whether every piece is there, every answer right, and the service ended cleanly."""
        complete = self.tracks == len(self.pieces) and len(self.answers) == QUESTIONS
        return complete and self.service_exit == 0 and all(a.correct for a in self.answers)


_HEADINGS = {
    "text": "Words",
    "meaning": "Meaning",
    "track": "A track",
    "audio": "Sound",
    "vector": "A vector",
}


def print_show(show: Show, console: Console, data: Path | None, library: str) -> None:
    """Answers as tables with their verdicts, then times and the verdict on the whole.

    Args:
        show: What happened.
        console: Where to print.
        data: Where the library was kept, or None if it is gone.
        library: Its name.
    """
    for number, answer in enumerate(show.answers, start=1):
        console.print(
            f"\n[bold cyan]{number}  {_HEADINGS[answer.kind]}[/]  {answer.question}",
            highlight=False,
        )
        console.print(Padding(_table(answer, console), (0, 0, 0, 2), expand=False))
        verdict = "[green]right[/]" if answer.correct else "[bold red]wrong[/]"
        took = f"{answer.response.took_ms:.1f} ms"
        console.print(f"   {verdict}: wanted {answer.wanted}  [dim]{took}[/]", highlight=False)
    spent = show.seconds
    console.print(
        f"\n[dim]{show.tracks} tracks; rendered in {spent['render']:.1f} s, indexed in "
        f"{spent['index']:.1f} s, service up in {spent['start']:.1f} s, stopped with exit code "
        f"{show.service_exit} in {spent['stop']:.1f} s[/]",
        highlight=False,
    )
    right = sum(answer.correct for answer in show.answers)
    if show.right:
        console.print("[bold green]All five answers are right.[/]")
    else:
        console.print(
            f"[bold red]Not right: {right} of {len(show.answers)} answers, {show.tracks} of "
            f"{len(show.pieces)} tracks, service exit code {show.service_exit}.[/]"
        )
    if data is not None:
        console.print(
            f'[dim]Ask more: segue search "slow bells" --data {data} --library {library}[/]',
            highlight=False,
            soft_wrap=True,
        )


def _table(answer: Answer, console: Console) -> Any:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("", width=1)
    table.add_column("#", style="dim", justify="right")
    for name, style in (("title", "bold"), ("artist", ""), ("really is", "magenta")):
        table.add_column(name, style=style, no_wrap=True)
    for name in ("bpm", "key", "drums"):
        table.add_column(name, style="magenta", no_wrap=True)
    table.add_column(
        "distance" if _distance(answer, 0) is not None else "score", justify="right", no_wrap=True
    )
    good, bad = ("y", "n") if console.options.ascii_only else ("✓", "✗")
    for place, piece in enumerate(answer.pieces):
        mark = ""
        if place < len(answer.right):
            mark = f"[green]{good}[/]" if answer.right[place] else f"[bold red]{bad}[/]"
        hit, distance = answer.response.hits[place], _distance(answer, place)
        table.add_row(
            mark,
            str(place + 1),
            title_of(hit.track),
            text_of(hit.track, "artist"),
            *(_truth(piece) if piece else ("not ours", "", "", "")),
            f"{hit.score if distance is None else distance:.2f}",
        )
    return table


def _truth(piece: Piece) -> tuple[str, str, str, str]:
    truth = piece.truth
    drums = "yes" if truth.drums else "no"
    return " + ".join(truth.instruments), f"{truth.tempo:.0f}", truth.key, drums


def _distance(answer: Answer, place: int) -> float | None:
    """The hit's distance, if a single space with distances was asked."""
    if place >= len(answer.response.hits):
        return None
    evidence = answer.response.hits[place].evidence
    return evidence[0].distance if len(evidence) == 1 else None


def as_json(show: Show) -> dict[str, Any]:
    """The whole demonstration as one JSON object."""
    return {
        "right": show.right,
        "tracks": show.tracks,
        "service_exit": show.service_exit,
        "seconds": {name: round(value, 3) for name, value in show.seconds.items()},
        "answers": [
            {
                "kind": answer.kind,
                "question": answer.question,
                "wanted": answer.wanted,
                "right": answer.correct,
                **response_json(answer.response),
            }
            for answer in show.answers
        ],
    }
