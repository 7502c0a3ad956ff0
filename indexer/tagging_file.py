"""What a library is tagged by: the labels and their frozen calibration, in a file of their own.

It lies beside the manifest. One file per library, replaced as a whole or not at all.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from indexer.tagging_labels import LEAST_SCORE, MAX_LABELS
from retrieval.core.errors import StoreError
from retrieval.encoders.zero_shot import Label
from retrieval.encoders.zero_shot_calibration import LabelFit


@dataclass(frozen=True, slots=True, eq=False)
class SpaceFits:
    """The labels as measured in one space.

    Attributes:
        revision: Of the space.
        fits: One per label, in order.
    """

    revision: str
    fits: tuple[LabelFit, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Tagging:
    """Labels with frozen thresholds.

    Attributes:
        labels: The user's list.
        threshold: Fused score from which on a label becomes a tag, 0.1 to 1.
        spaces: Fits by space; none while the library is too small to measure anything on.
        on: Whether index runs tag new tracks by it.
    """

    labels: tuple[Label, ...]
    threshold: float
    spaces: Mapping[str, SpaceFits]
    on: bool = True

    @property
    def revision(self) -> str:
        """Changes with everything that changes a score or a tag."""
        content = _Content.of(self).model_dump(exclude={"on"})
        text = json.dumps(content, sort_keys=True)
        return f"tags-{hashlib.blake2b(text.encode(), digest_size=8).hexdigest()}"


def tagging_path(folder: Path, library_id: str, name: str = "tagging") -> Path:
    """Where a tagging of a library lies; see ``manifest_path`` for why it is a digest."""
    digest = hashlib.blake2b(library_id.encode(), digest_size=8).hexdigest()
    return folder / f"{name}-{digest}.json"


def load_tagging(path: Path) -> Tagging | None:
    """The tagging of a library, or None if it has none.

    Raises:
        StoreError: STORE_CORRUPT if the file is not one, STORE_UNAVAILABLE if it cannot be read.
    """
    try:
        return _Content.model_validate_json(path.read_bytes()).tagging()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValidationError, ValueError) as error:
        raise StoreError(
            f"{path} is damaged; delete it and run segue tag with the list of labels again",
            reason="STORE_CORRUPT",
            metadata={"file": str(path)},
        ) from error


def save_tagging(path: Path, tagging: Tagging) -> None:
    """Replace the file, durably.

    Raises:
        StoreError: If it cannot be written.
    """
    fresh = path.with_name(f"{path.name}.new")
    try:
        with fresh.open("w") as file:
            file.write(_Content.of(tagging).model_dump_json())
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError as error:
        raise StoreError(f"{path}: cannot be written: {error.strerror}") from error


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class _LabelContent(_Strict):
    name: str
    group: str
    prompts: tuple[str, ...]


class _FitContent(_Strict):
    direction: str
    slope: Annotated[float, Field(gt=0)]
    offset: float
    share: Annotated[float, Field(gt=0, lt=1)] | None
    tracks: Annotated[int, Field(ge=1)]

    @classmethod
    def of(cls, fit: LabelFit) -> _FitContent:
        direction = base64.b64encode(fit.direction.astype("<f4").tobytes()).decode()
        return cls(
            direction=direction,
            slope=fit.slope,
            offset=fit.offset,
            share=fit.share,
            tracks=fit.tracks,
        )

    def fit(self) -> LabelFit:
        direction = np.frombuffer(base64.b64decode(self.direction, validate=True), dtype="<f4")
        if not direction.size or not np.all(np.isfinite(direction)):
            raise ValueError("a direction is empty or not finite")
        return LabelFit(
            direction.astype(np.float32), self.slope, self.offset, self.share, self.tracks
        )


class _SpaceContent(_Strict):
    revision: str
    fits: tuple[_FitContent, ...]


class _Content(_Strict):
    format: Literal[1] = 1
    on: bool
    threshold: Annotated[float, Field(ge=LEAST_SCORE, le=1)]
    labels: Annotated[tuple[_LabelContent, ...], Field(min_length=1, max_length=MAX_LABELS)]
    spaces: dict[str, _SpaceContent]

    @classmethod
    def of(cls, tagging: Tagging) -> _Content:
        return cls(
            on=tagging.on,
            threshold=tagging.threshold,
            labels=tuple(
                _LabelContent(name=one.name, group=one.group, prompts=one.prompts)
                for one in tagging.labels
            ),
            spaces={
                name: _SpaceContent(
                    revision=held.revision, fits=tuple(_FitContent.of(fit) for fit in held.fits)
                )
                for name, held in sorted(tagging.spaces.items())
            },
        )

    def tagging(self) -> Tagging:
        labels = tuple(Label(one.name, one.group, one.prompts) for one in self.labels)
        spaces = {
            name: SpaceFits(held.revision, tuple(one.fit() for one in held.fits))
            for name, held in self.spaces.items()
        }
        for held in spaces.values():
            if len(held.fits) != len(labels) or len({len(f.direction) for f in held.fits}) != 1:
                raise ValueError("labels and fits do not match")
        return Tagging(labels, self.threshold, spaces, self.on)
