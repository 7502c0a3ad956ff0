"""Who uses weights that may not serve every purpose has said so once: the record of it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from retrieval.core.errors import PreconditionError
from retrieval.encoders.weights_catalogue import Licence, Weights
from retrieval.encoders.weights_lock import explained, write_whole

RECORD = "accepted-licences.json"


class Acceptance(BaseModel):
    """One licence that was accepted for one set of weights."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    weights: str
    licence: str
    at: datetime


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    accepted: tuple[Acceptance, ...] = ()


def pending(weights: Weights, folder: Path) -> tuple[Licence, ...]:
    """The licences of these weights that somebody still has to accept.

    Args:
        weights: Of the catalogue.
        folder: ``models`` in the data folder.

    Raises:
        PreconditionError: MODEL_INVALID if the record is broken.
    """
    given = {(one.weights, one.licence) for one in _read(folder).accepted}
    return tuple(
        licence
        for licence in weights.licences
        if licence.non_commercial and (weights.name, licence.name) not in given
    )


def accept(weights: Weights, folder: Path) -> None:
    """Remember that all licences of these weights have been accepted.

    Raises:
        SegueError: If the folder cannot be written.
    """
    new = tuple(
        Acceptance(weights=weights.name, licence=licence.name, at=datetime.now(UTC))
        for licence in pending(weights, folder)
    )
    record = _Record(accepted=(*_read(folder).accepted, *new))
    with explained(folder):
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / RECORD, record.model_dump_json(indent=2) + "\n")


def _read(folder: Path) -> _Record:
    path = folder / RECORD
    try:
        return _Record.model_validate_json(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return _Record()
    except (OSError, ValidationError) as error:
        raise PreconditionError(
            f"{path}: not a record of accepted licences; delete it, and accept them again",
            reason="MODEL_INVALID",
            metadata={"path": str(path)},
        ) from error
