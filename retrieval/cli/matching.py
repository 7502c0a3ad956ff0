"""What the commands that match a prediction share: the options, and queries out of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import click

from retrieval.cli.asking import read_vector
from retrieval.core.errors import InvalidInputError

if TYPE_CHECKING:
    from retrieval.core.queries import VideoQuery
    from retrieval.core.video import VideoFeatures

F = TypeVar("F", bound=Callable[..., Any])


def prediction_option(*, required: bool) -> Callable[[F], F]:
    """Add ``--pred``."""
    return click.option(
        "--pred",
        "predicted",
        required=required,
        metavar="VALUES",
        help="Ten predicted dimensions: numbers with commas, JSON (a list, or an object by name), "
        "or a file that holds one of these.",
    )


def comparison_options(*, scaling: str) -> Callable[[F], F]:
    """Add the options that say how predictions and tracks are compared."""

    def add(function: F) -> F:
        for option in reversed(
            (
                click.option(
                    "--metric",
                    type=click.Choice(["euclidean", "cosine"]),
                    default="euclidean",
                    show_default=True,
                    help="Distance, or 1 - cosine.",
                ),
                click.option(
                    "--dims",
                    metavar="NAMES",
                    help="Compare only these dimensions, such as arousal,valence; VA means these.",
                ),
                click.option(
                    "--weights",
                    metavar="NAME=W,…",
                    help="What dimensions count, such as arousal=3,valence=0.5; others count 1.",
                ),
                click.option(
                    "--scaling",
                    type=click.Choice(["standardised", "raw"]),
                    default=scaling,
                    show_default=True,
                    help="Divide each dimension by its deviation in the library, or not.",
                ),
            )
        ):
            function = option(function)
        return function

    return add


def read_ten(text: str) -> tuple[float, ...]:
    """The values of ``--pred``, in the order of the dimensions.

    Raises:
        InvalidInputError: INVALID_VECTOR.
    """
    from retrieval.encoders.perceptual_dims import DIMS

    return _ordered(_read(text, "--pred"), DIMS, "--pred")


def video_query(
    *,
    metric: str,
    scaling: str,
    weights: Mapping[str, float],
    dims: str | None,
    predicted: tuple[float, ...] | None = None,
    features: VideoFeatures | None = None,
    cues: int = 0,
) -> VideoQuery:
    """A query of the options."""
    from retrieval.core.queries import Metric, Scaling, VideoQuery

    return VideoQuery(
        predicted=predicted,
        features=features,
        metric=Metric(metric),
        scaling=Scaling(scaling),
        weights=weights,
        dims=tuple(name.strip() for name in dims.split(",") if name.strip()) if dims else (),
        cues=cues,
    )


def read_eleven(text: str, feature_set: str) -> VideoFeatures:
    """The values of ``--features``: all eleven, or an object of those that are known.

    Raises:
        InvalidInputError: INVALID_VECTOR.
    """
    from retrieval.core.video import VIDEO_DIMS, Source, VideoFeatures

    values = _read(text, "--features")
    if isinstance(values, dict):
        _check_names(values, VIDEO_DIMS, "--features")
    else:
        values = dict(zip(VIDEO_DIMS, _ordered(values, VIDEO_DIMS, "--features"), strict=True))
    return VideoFeatures(
        values=tuple(values.get(name, 0.0) for name in VIDEO_DIMS),
        sources=tuple(
            Source.GIVEN if name in values else Source.UNAVAILABLE for name in VIDEO_DIMS
        ),
        feature_set=feature_set,
    )


def _read(text: str, option: str) -> list[float] | dict[str, float]:
    values = read_vector(text, option=option)
    if not all(map(math.isfinite, values.values() if isinstance(values, dict) else values)):
        raise _bad(f"{option}: values must be finite (no NaN, no infinity)")
    return values


def _ordered(
    values: list[float] | dict[str, float], names: tuple[str, ...], option: str
) -> tuple[float, ...]:
    if isinstance(values, dict):
        _check_names(values, names, option)
        missing = [name for name in names if name not in values]
        if missing:
            raise _bad(f"{option}: {missing[0]!r} is missing; needed: {', '.join(names)}")
        return tuple(values[name] for name in names)
    if len(values) != len(names):
        raise _bad(f"{option}: {len(names)} values ({', '.join(names)}), got {len(values)}")
    return tuple(values)


def _check_names(values: Mapping[str, float], names: tuple[str, ...], option: str) -> None:
    for name in values:
        if name not in names:
            raise _bad(f"{option}: there is no {name[:80]!r}; there are: {', '.join(names)}")


def _bad(message: str) -> InvalidInputError:
    return InvalidInputError(message, reason="INVALID_VECTOR")
