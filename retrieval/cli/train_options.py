"""The options of ``segue train``, and what they mean."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from retrieval.cli.state import State

if TYPE_CHECKING:
    from indexer.learning.music import Music, MusicSource
    from indexer.learning.options import TrainingOptions

F = TypeVar("F", bound=Callable[..., Any])
_HERE = "here"


def training_options(function: F) -> F:
    """Add the options that all trainings share to a command."""
    options = [
        click.option(
            "-o",
            "--output",
            required=True,
            metavar="FILE",
            type=click.Path(dir_okay=False, path_type=Path),
            help="The safetensors file to write.",
        ),
        click.option(
            "--epochs",
            type=click.IntRange(1, 10_000),
            default=60,
            show_default=True,
            help="Of the temporal model, at most.",
        ),
        click.option(
            "--width",
            type=click.IntRange(8, 1024),
            default=128,
            show_default=True,
            help="Of the temporal model; a multiple of 8.",
        ),
        click.option(
            "--layers",
            type=click.IntRange(1, 8),
            default=2,
            show_default=True,
            help="Of the temporal model.",
        ),
        click.option(
            "--seed",
            type=click.IntRange(0),
            default=0,
            show_default=True,
            help="Of the split and of the training.",
        ),
        click.option(
            "--device",
            metavar="NAME",
            help="cpu, cuda, cuda:1 or mps.  [env: SEGUE_DEVICE; default: auto]",
        ),
        click.option("--overwrite", is_flag=True, help="Replace the model that is there."),
        click.option("-q", "--quiet", is_flag=True, help="No progress, and no table."),
    ]
    for option in reversed(options):
        function = option(function)
    return function


def chosen_options(state: State, more: dict[str, Any], **chosen: Any) -> TrainingOptions:
    """What a command line asks for.

    Args:
        state: Of the run.
        more: What ``training_options`` gave.
        chosen: Fields of ``TrainingOptions`` that the command decides.

    Raises:
        PreconditionError: MODEL_MISSING if the extra for training is not installed.
        InvalidInputError: A width that no network can have.
    """
    from retrieval.core.errors import InvalidInputError, PreconditionError

    try:
        from indexer.learning.options import TrainingOptions
        from indexer.learning.temporal import TemporalRecipe
    except ImportError as error:
        raise PreconditionError(
            "training needs more packages: pip install 'segue[train-video]'",
            reason="MODEL_MISSING",
            metadata={"extra": "train-video"},
        ) from error
    if more["width"] % 8:
        raise InvalidInputError("--width must be a multiple of 8")
    return TrainingOptions(
        **chosen,
        temporal=TemporalRecipe(epochs=more["epochs"], width=more["width"], layers=more["layers"]),
        seed=more["seed"],
        device=more["device"] or state.settings().device.split(",")[0],
        overwrite=more["overwrite"],
    )


def read_revision(given: str | None) -> str | None:
    """A revision as it was given, or that of this version's own perceptual space."""
    if given != _HERE:
        return given
    from retrieval.encoders.perceptual import PerceptualEncoder

    return PerceptualEncoder().space.revision


def read_space(given: str | None) -> tuple[str | None, str | None]:
    """The name of a space, and its revision if one was given.

    Raises:
        UsageError: It is neither NAME nor NAME=REVISION.
    """
    if given is None:
        return None, None
    from retrieval.core.spaces import SPACE_NAME

    name, equals, revision = given.partition("=")
    if not SPACE_NAME.match(name) or bool(equals) != bool(revision):
        raise click.UsageError("--space takes NAME or NAME=REVISION, as segue spaces shows them")
    return name, revision or None


def library_source(state: State, table: Path, space: str | None) -> MusicSource:
    """The library, opened once a table is found to need it."""

    def find(tracks: Sequence[tuple[str, int]]) -> Music:
        from indexer.learning.music import library_music
        from retrieval.cli.opening import open_library
        from retrieval.cli.references import resolve
        from retrieval.core.errors import InvalidInputError, NotFoundError

        with open_library(state) as library:
            ids = []
            for name, line in tracks:
                try:
                    ids.append(resolve(library, name))
                except (NotFoundError, InvalidInputError) as error:
                    raise type(error)(
                        f"{table}, line {line}, column 'track': {error.message}",
                        metadata={**error.metadata, "line": str(line)},
                    ) from None
            return library_music(library, ids, space)

    return find
