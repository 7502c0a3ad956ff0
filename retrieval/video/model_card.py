"""What a trained model for pictures says about itself, in the metadata of its file."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from retrieval.core.errors import PreconditionError
from retrieval.core.spaces import MAX_DIM
from retrieval.core.video import SERIES, VIDEO_DIMS

KEY = "segue"
"""Of the one entry of the file's metadata, which is a card as JSON."""
MAX_CARD = 1024 * 1024
"""Longest card, in characters."""

_Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]
_Values = Annotated[tuple[float, ...], Field(min_length=1, max_length=64)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Scaling(_Part):
    """Standardisation as it was measured on the training data: z = (x - mean) / std."""

    mean: _Values
    std: _Values

    @model_validator(mode="after")
    def _positive(self) -> Scaling:
        if len(self.mean) != len(self.std) or min(self.std) <= 0:
            raise ValueError("mean and std must be equally long, and std positive")
        return self


class ProjectionSpace(_Part):
    """The text-audio space that clips are projected into."""

    space: _Name
    revision: _Name
    dim: Annotated[int, Field(ge=1, le=MAX_DIM)]


class Shape(_Part):
    """Sizes of a network; 0 for a part it does not have."""

    width: Annotated[int, Field(ge=1, le=4096)]
    layers: Annotated[int, Field(ge=0, le=16)] = 0
    heads: Annotated[int, Field(ge=1, le=64)] = 1
    frame_dim: Annotated[int, Field(ge=0, le=MAX_DIM)] = 0
    series: bool = False

    @model_validator(mode="after")
    def _even(self) -> Shape:
        if self.width % (2 * self.heads):
            raise ValueError("width must be a multiple of twice the heads")
        return self


class Card(_Part):
    """A trained model in words and numbers.

    Attributes:
        format: Raise the number with any change that an older reader would get wrong.
        task: ``recommender`` (music for a clip) or ``video-features`` (dimensions of a clip).
        kind: ``mlp``, ``temporal`` or ``ridge``.
        video_set: Feature set of the values that go in.
        output_set: Revision of the audio space, or feature set of the dimensions, that come out.
        inputs: Names of the values that go in, in order.
        outputs: Of those that come out.
        scale_in: Of the inputs.
        scale_out: Of the outputs.
        emotions: Classes of the head for emotions.
        frame_revision: Which image model's embeddings it takes; None if it takes none.
        projection: None if it projects into no space.
        weights: What each output counts in a distance of standardised values.
        shares: What the distance (``mean``) and the projection's space count, by validation.
        shape: Of the network.
        data_digest: Of everything it was trained on.
        seed: Of the training.
        metrics: Measured quality, and what was tried.
    """

    format: Literal["segue-video-model-1"] = "segue-video-model-1"
    task: Literal["recommender", "video-features"]
    kind: Literal["mlp", "temporal", "ridge"]
    video_set: _Name
    output_set: _Name
    inputs: tuple[_Name, ...]
    outputs: Annotated[tuple[_Name, ...], Field(min_length=1, max_length=64)]
    scale_in: Scaling
    scale_out: Scaling
    emotions: Annotated[tuple[_Name, ...], Field(max_length=64)] = ()
    frame_revision: _Name | None = None
    projection: ProjectionSpace | None = None
    weights: tuple[Annotated[float, Field(ge=0)], ...]
    shares: dict[_Name, Annotated[float, Field(ge=0)]]
    shape: Shape
    data_digest: _Name
    seed: int
    metrics: dict[str, Any]

    @model_validator(mode="after")
    def _agrees(self) -> Card:
        if len(self.inputs) != len(self.scale_in.mean):
            raise ValueError("scale_in must have one value per input")
        if {len(self.outputs)} != {len(self.scale_out.mean), len(self.weights)}:
            raise ValueError("scale_out and weights must have one value per output")
        if bool(self.shape.frame_dim) != (self.frame_revision is not None):
            raise ValueError("frame_dim and frame_revision belong together")
        if not math.fsum(self.weights) > 0 or not math.fsum(self.shares.values()) > 0:
            raise ValueError("some weight and some share must be positive")
        return self

    @property
    def series(self) -> int:
        """Columns of the per-second series it takes."""
        return len(SERIES) if self.shape.series else 0


def invalid(path: Path, problem: str, reason: str = "MODEL_INVALID") -> PreconditionError:
    """The error of a model file that cannot be used."""
    return PreconditionError(
        f"trained model {path}: {problem}", reason=reason, metadata={"path": str(path)}
    )


def parse_card(path: Path, text: str | None) -> Card:
    """The card of a file, as strict as it is untrusted.

    Raises:
        PreconditionError: MODEL_INVALID if it is no card, FEATURE_SET_MISMATCH if the model takes
            other dimensions of a picture, or the same in another order.
    """
    if text is None or len(text) > MAX_CARD:
        raise invalid(path, "this is no model that segue train wrote: its metadata has no card")
    try:
        card = Card.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "card"
        raise invalid(path, f"metadata, {where}: {first['msg']}") from None
    if card.inputs != VIDEO_DIMS or (card.task == "video-features" and card.outputs != VIDEO_DIMS):
        raise invalid(
            path,
            f"its dimensions are {', '.join(card.inputs)}; here they are {', '.join(VIDEO_DIMS)}, "
            "in this order: train it again",
            "FEATURE_SET_MISMATCH",
        )
    return card
