"""What the commands of ``segue models`` share: where weights lie, licences, progress."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from retrieval.cli.state import State

if TYPE_CHECKING:
    from retrieval.core.errors import PreconditionError
    from retrieval.encoders.weights_catalogue import Weights
    from retrieval.encoders.weights_folder import Finding, Progress
    from retrieval.settings import Settings


def described(state: State, weights: Weights, folder: Path | None = None) -> dict[str, Any]:
    """All there is to say of some weights, as ``--json`` shows it."""
    from retrieval.encoders.weights_catalogue import DEFAULTS
    from retrieval.encoders.weights_folder import state_of

    place = place_of(state, weights, folder)
    condition, findings = state_of(weights, place)
    return {
        "name": weights.name,
        "encoder": weights.encoder,
        "default": DEFAULTS[weights.encoder] == weights.name,
        "summary": weights.summary,
        "refused": weights.refused,
        "size": weights.size,
        "pinned": "catalogue" if weights.pinned else "first use",
        "licences": [
            {
                "name": licence.name,
                "covers": licence.covers,
                "url": licence.url,
                "non_commercial": licence.non_commercial,
            }
            for licence in weights.licences
        ],
        "folder": str(place),
        "state": condition.value,
        "problems": [f"{one.name}: {one.problem}" for one in findings if one.problem],
        "settings": _settings(state, weights, place),
    }


def place_of(state: State, weights: Weights, given: Path | None) -> Path:
    """The folder that was named, or the one in which the encoder looks."""
    if given is not None:
        return given
    settings = state.settings()
    named = _looked_for(settings, weights)
    path = Path(str(named))
    if path.suffix in (".pt", ".pth", ".safetensors"):
        return path.parent
    # A repository's name, which is looked up in the hub's cache, is no folder of ours.
    if isinstance(named, str) and named.count("/") == 1 and not path.exists():
        return settings.data_dir / "models" / weights.encoder
    return path


def _looked_for(settings: Settings, weights: Weights) -> str | Path | None:
    from retrieval.encoders.registry import descriptions

    (encoder,) = (one for one in descriptions() if one.name == weights.encoder)
    return encoder.place(settings)


def _settings(state: State, weights: Weights, place: Path) -> dict[str, str]:
    settings = state.settings()
    chosen = settings.encoders.split(",")
    if weights.encoder not in chosen:
        # The built-in model stands in for a larger one until there is one.
        chosen = [*(name for name in chosen if name != "ear"), weights.encoder]
    needed = {"SEGUE_ENCODERS": ",".join(chosen)}
    if str(_looked_for(settings, weights)) != str(place):
        needed[f"SEGUE_{weights.encoder.upper()}_WEIGHTS"] = str(place.absolute())
    return needed


def tell_how(state: State, weights: Weights, place: Path) -> None:
    """Print the settings that make encoders use these weights."""
    click.echo("To use it:")
    for name, value in _settings(state, weights, place).items():
        click.echo(f"  export {name}={value}")


def chosen(state: State, name: str | None, folder: Path | None) -> list[tuple[Weights, Path]]:
    """What to work on: the named weights, or whatever is in the folders of the encoders.

    Raises:
        PreconditionError: MODEL_MISSING if the named ones are not there.
    """
    from retrieval.core.errors import PreconditionError
    from retrieval.encoders.weights_catalogue import DEFAULTS, find
    from retrieval.encoders.weights_folder import held

    found: list[tuple[Weights, Path]] = []
    for encoder in DEFAULTS if name is None else (name,):
        weights = find(encoder)
        place = place_of(state, weights, folder)
        inside = held(place)
        if name is None and inside is None:
            continue
        if encoder in DEFAULTS and inside is not None:
            weights = find(inside)
        if not place.is_dir() or inside not in (None, weights.name):
            raise PreconditionError(
                f"{weights.name} is not in {place}; segue models download {weights.name}",
                reason="MODEL_MISSING",
                metadata={"name": weights.name, "path": str(place)},
            )
        found.append((weights, place))
    return found


def agree(state: State, weights: Weights, *, accepted: bool) -> None:
    """Show the licences; have those confirmed, once, that not everybody may use."""
    from retrieval.core.errors import PreconditionError
    from retrieval.encoders.weights_licences import accept, pending

    if not state.json:
        for licence in weights.licences:
            kind = ", not for commercial use" if licence.non_commercial else ""
            click.echo(f"{licence.covers}: {licence.name}{kind} ({licence.url})", err=True)
    record = state.settings().data_dir / "models"
    open_ones = pending(weights, record)
    if not open_ones:
        return
    names = " and ".join(f"{one.covers} ({one.name})" for one in open_ones)
    asked = not accepted and not state.json and sys.stdin.isatty() and sys.stderr.isatty()
    if asked:
        accepted = click.confirm(
            f"{names}: not for commercial use. Do you accept that?", default=False, err=True
        )
    if not accepted:
        fix = "nothing was fetched" if asked else "to accept that, add --accept-licence"
        raise PreconditionError(
            f"{weights.name}: {names} may not be used commercially; {fix}",
            reason="LICENCE_NOT_ACCEPTED",
            metadata={"name": weights.name, "licences": ",".join(one.name for one in open_ones)},
        )
    accept(weights, record)


def unsound(weights: Weights, place: Path, found: tuple[Finding, ...]) -> PreconditionError:
    """The error of the first file that is not what it should be."""
    from retrieval.core.errors import PreconditionError as Unsound
    from retrieval.encoders.weights_folder import State as Condition

    bad = [one for one in found if one.state is not Condition.READY]
    wrong = any(one.state is Condition.WRONG for one in bad)
    return Unsound(
        f"{place / bad[0].name}: {bad[0].problem}; segue models download {weights.name}",
        reason="MODEL_INVALID" if wrong else "MODEL_MISSING",
        metadata={"name": weights.name, "path": str(place / bad[0].name)},
    )


def load_encoder(weights: Weights, place: Path, graphs: Path) -> str:
    """Load the encoder, which runs its own checks; the revision of its space."""
    from retrieval.encoders.registry import load

    return load(weights.encoder, place, graphs).space.revision


def gigabytes(size: int | None) -> str:
    """A size for people; ``?`` if it is not known."""
    if size is None:
        return "?"
    return f"{size / 1e9:.2f} GB" if size >= 10_000_000 else f"{size / 1e6:.2f} MB"


@contextmanager
def showing_progress(state: State) -> Iterator[Progress]:
    """A live bar on a terminal; nothing in a pipe."""
    if state.json or not sys.stderr.isatty():
        yield lambda name, done, total: None
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        tasks: dict[str, Any] = {}

        def show(name: str, done: int, total: int | None) -> None:
            if name not in tasks:
                # What an earlier run has left must not count as speed.
                tasks[name] = bar.add_task(escape(name[-40:]), total=total, completed=done)
            bar.update(tasks[name], completed=done, total=total)

        yield show
