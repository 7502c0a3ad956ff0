"""How a query weighs and scales what it compares."""

from __future__ import annotations

from collections.abc import Mapping

from retrieval.api.checks import entry, enum_value, finite
from retrieval.api.v1 import search_pb2 as pb
from retrieval.core.queries import Metric, Scaling

_SCALINGS: dict[int, Scaling] = {
    pb.SCALING_STANDARDISED: Scaling.STANDARDISED,
    pb.SCALING_RAW: Scaling.RAW,
}
_METRICS: dict[int, Metric] = {
    pb.METRIC_EUCLIDEAN: Metric.EUCLIDEAN,
    pb.METRIC_COSINE: Metric.COSINE,
}


def encode_scaling(scaling: Scaling) -> pb.Scaling:
    """The units of a distance for the wire."""
    return pb.SCALING_RAW if scaling is Scaling.RAW else pb.SCALING_STANDARDISED


def decode_scaling(number: int, where: str) -> Scaling:
    """The units of a distance from the wire; standardised unless it says otherwise.

    Raises:
        InvalidInputError: For an unknown number.
    """
    return enum_value(number, _SCALINGS, where, Scaling.STANDARDISED)


def encode_metric(metric: Metric) -> pb.Metric:
    """How vectors are compared, for the wire."""
    return pb.METRIC_COSINE if metric is Metric.COSINE else pb.METRIC_EUCLIDEAN


def decode_metric(number: int, where: str) -> Metric:
    """How vectors are compared, from the wire; by distance unless it says otherwise.

    Raises:
        InvalidInputError: For an unknown number.
    """
    return enum_value(number, _METRICS, where, Metric.EUCLIDEAN)


def decode_weights(weights: Mapping[str, float], where: str) -> dict[str, float]:
    """Weights by name from the wire.

    Raises:
        InvalidInputError: If a number is not finite.
    """
    return {name: finite(weight, entry(where, name)) for name, weight in weights.items()}
