"""The search for the baseline's best recipe, by Optuna's tree-structured Parzen estimator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

from indexer.learning.fitting import Session
from indexer.learning.mlp import MlpRecipe
from retrieval.core.errors import PreconditionError

Attempt = Callable[[str, MlpRecipe], tuple[float, int]]
"""Trains under the name of a stage; the value to raise, and the epochs it took."""

_STAGE = "tuning"


def load_optuna() -> Any:
    """Import Optuna.

    Raises:
        PreconditionError: UNIMPLEMENTED if it is not installed.
    """
    try:
        import optuna
    except ImportError as error:
        raise PreconditionError(
            "tuning needs one more package: pip install 'segue[train-video]'; "
            "or leave it out with --trials 0",
            reason="UNIMPLEMENTED",
            metadata={"extra": "train-video"},
        ) from error
    return optuna


def tune(attempt: Attempt, trials: int, session: Session) -> tuple[MlpRecipe, int]:
    """The best of some recipes, and how many epochs it wants.

    The first is the recipe that is used without a search. Each trial draws from a generator of its
    own, so that an interrupted search goes on as if it had never stopped.

    Raises:
        PreconditionError: UNIMPLEMENTED if Optuna is not installed.
        CancelledError: The run was stopped.
    """
    optuna = load_optuna()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    done: list[dict[str, Any]] = list(session.resume.get(_STAGE) or [])
    study = optuna.create_study(direction="maximize")
    study.enqueue_trial(asdict(MlpRecipe()))
    for number in range(trials):
        session.tell(_STAGE, number, trials)
        study.sampler = optuna.samplers.TPESampler(
            seed=int(session.chance(_STAGE, number).integers(2**31))
        )
        trial = study.ask()
        recipe = _draw(trial)
        if number == len(done):
            value, epochs = attempt(f"trial {number + 1}", recipe)
            done.append({"value": value, "epochs": epochs, "recipe": asdict(recipe)})
            session.resume.put(_STAGE, done)
        study.tell(trial, done[number]["value"])
    best = max(done, key=lambda one: one["value"])
    return MlpRecipe(**best["recipe"]), best["epochs"]


def _draw(trial: Any) -> MlpRecipe:
    return replace(
        MlpRecipe(),
        width=trial.suggest_categorical("width", [32, 64, 128, 256]),
        dropout=trial.suggest_float("dropout", 0.0, 0.5),
        rate=trial.suggest_float("rate", 3e-4, 1e-2, log=True),
        decay=trial.suggest_float("decay", 1e-4, 0.3, log=True),
        mood=trial.suggest_float("mood", 0.1, 3.0, log=True),
        emotion=trial.suggest_float("emotion", 0.01, 1.0, log=True),
        batch=trial.suggest_categorical("batch", [32, 64]),
    )
