"""Series of tracks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from retrieval.api.checks import invalid, join
from retrieval.api.v1 import library_pb2 as pb
from retrieval.core.errors import InvalidInputError
from retrieval.core.series import DTYPES, Series

_REASON = "INVALID_SERIES"


def encode_series(series: Series) -> pb.Series:
    """A series for the wire, bit by bit."""
    values = series.values
    little = np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("<"))
    return pb.Series(
        name=series.name,
        unit=series.unit,
        dtype=values.dtype.name,
        width=values.shape[1] if values.ndim == 2 else 0,
        values=little.tobytes(),
        rate_hz=series.rate,
        time_seconds=() if series.times is None else series.times.tolist(),
        end_seconds=() if series.ends is None else series.ends.tolist(),
        labels=series.labels,
    )


def decode_series(message: pb.Series, where: str) -> Series:
    """A series from the wire.

    Raises:
        InvalidInputError: INVALID_SERIES if its parts do not fit together.
    """
    if message.dtype not in DTYPES:
        raise invalid(join(where, "dtype"), f"use one of {', '.join(DTYPES)}", _REASON)
    kind = np.dtype(message.dtype)
    size = kind.itemsize * max(1, message.width)
    if len(message.values) % size:
        told = f"{len(message.values)} bytes are no whole number of values of {size} bytes"
        raise invalid(join(where, "values"), told, _REASON)
    values = np.frombuffer(message.values, dtype=kind.newbyteorder("<")).astype(kind)
    if message.width:
        values = values.reshape(-1, message.width)
    timed = not message.HasField("rate_hz")
    times = _times(message.time_seconds, join(where, "time_seconds"))
    ends = _times(message.end_seconds, join(where, "end_seconds"))
    try:
        return Series(
            message.name,
            values,
            rate=None if timed else message.rate_hz,
            times=times if timed or len(times) else None,
            ends=ends if len(ends) else None,
            labels=tuple(message.labels),
            unit=message.unit,
        )
    except InvalidInputError as error:
        raise invalid(where, error.message, _REASON) from None


def _times(seconds: object, where: str) -> NDArray[np.float64]:
    times = np.array(seconds, dtype=np.float64)
    if not np.isfinite(times).all():
        raise invalid(where, "must be finite (no NaN, no infinity)", _REASON)
    return times
