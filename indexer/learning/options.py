"""What a training is asked for, and what it answers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from indexer.learning.fitting import Session
from indexer.learning.resuming import Resume
from indexer.learning.temporal import TemporalRecipe
from indexer.learning.tuning import load_optuna
from indexer.learning.watching import Watch
from retrieval.core.errors import CancelledError, InvalidInputError
from retrieval.encoders.checkpoints import write_safetensors
from retrieval.encoders.device import choose_device
from retrieval.video.model_card import KEY, Card
from retrieval.video.model_inputs import Array

RESUME = ".resume"
"""What the file of an unfinished training adds to the model's name."""


@dataclass(frozen=True, slots=True)
class TrainingOptions:
    """Choices of a run.

    Attributes:
        output_set: What the model gives: revision of the audio space that a table of pairs has
            values of, if any; or feature set of the labels.
        video_set: Feature set of the dimensions of pictures that a table of pairs gives, if any.
        model: ``auto`` lets validation choose; ``mlp``, ``ridge`` or ``temporal`` say which.
        trials: Recipes of the baseline to try; 0 takes the usual one.
        temporal: The recipe of the temporal model.
        seed: Of everything drawn.
        device: As ``choose_device`` takes it.
        overwrite: Replace a model that is there.
    """

    output_set: str | None = None
    video_set: str | None = None
    model: str = "auto"
    trials: int = 12
    temporal: TemporalRecipe = field(default_factory=TemporalRecipe)
    seed: int = 0
    device: str = "auto"
    overwrite: bool = False


@dataclass(frozen=True, slots=True)
class TrainingReport:
    """What a run found out.

    Attributes:
        path: The model.
        card: What it says about itself.
        resumed: Whether an earlier run had begun it.
    """

    path: Path
    card: Card
    resumed: bool

    def as_dict(self) -> dict[str, Any]:
        """The JSON object of ``segue train … --json``."""
        card = self.card
        return {
            "model": str(self.path),
            "task": card.task,
            "kind": card.kind,
            "video_set": card.video_set,
            "output_set": card.output_set,
            "shares": dict(card.shares),
            "data_digest": card.data_digest,
            "seed": card.seed,
            "resumed": self.resumed,
            **card.metrics,
        }


def check_options(out: Path, options: TrainingOptions) -> None:
    """Find out what is wrong before clips are measured for hours.

    Raises:
        InvalidInputError: A model is there already, or its folder is not.
        PreconditionError: MODEL_MISSING if there is no such device, UNIMPLEMENTED if Optuna is
            wanted and not installed.
    """
    if out.exists() and not options.overwrite:
        raise InvalidInputError(f"{out}: there is a file already; --overwrite replaces it")
    if not out.parent.is_dir():
        raise InvalidInputError(f"{out}: cannot be written: there is no folder {out.parent}")
    choose_device(options.device)
    if options.trials:
        load_optuna()


def begin(
    out: Path,
    digest: str,
    options: TrainingOptions,
    *,
    watch: Watch | None,
    stop: threading.Event,
) -> Session:
    """Open a session, or go on with one of the same data and options.

    Raises:
        InvalidInputError: None can be written.
    """
    device = choose_device(options.device)
    # On another device the same seed gives another model.
    same = replace(options, overwrite=False)
    resume = Resume(out.with_name(out.name + RESUME), repr((digest, same, device.type)))
    session = Session(options.seed, device, resume, stop, watch)
    # Hours of training end in a file: better to know now that it cannot be written.
    resume.put("begun", True, now=True)
    return session


@contextmanager
def kept(session: Session) -> Iterator[None]:
    """Leave all that was learned to the next run, if this one is stopped."""
    try:
        yield
    except CancelledError:
        session.resume.write()
        raise


def write_model(out: Path, card: Card, tensors: dict[str, Array], session: Session) -> None:
    """Write a model, whole or not at all, and take what was kept for resuming away.

    Raises:
        InvalidInputError: It cannot be written.
    """
    made = {name: torch.from_numpy(values) for name, values in tensors.items()}
    try:
        write_safetensors(out, made, {KEY: card.model_dump_json()})
    except OSError as error:
        raise InvalidInputError(f"{out}: cannot be written: {error}") from error
    session.resume.finish()
