"""Series: values over the time of one track, which are too many for its payload."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval.core.errors import InvalidInputError

SERIES_NAME = re.compile(r"^[a-z][a-z0-9_]{0,47}\Z")

DTYPES = ("float32", "float64", "int8", "uint8", "int16", "uint16", "int32", "uint32")
"""Number types of values."""

MAX_VALUES = 16_777_216
MAX_LABELS = 4_096


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """Values over the time of one track: at a steady rate, at moments, or over spans.

    Attributes:
        name: Lower-case identifier, at most 48 characters.
        values: Shape (n,) or (n, width), of a type in ``DTYPES``; classes are indices of
            ``labels``.
        rate: Values per second, value ``i`` being at ``i / rate``; None with ``times``.
        times: Seconds of each value, ascending, float64 (n,); None with ``rate``.
        ends: Seconds at which the span of each value ends; None for moments.
        labels: Names of classes; empty for values that are quantities.
        unit: Of the values.
    """

    name: str
    values: NDArray[Any]
    rate: float | None = None
    times: NDArray[np.float64] | None = None
    ends: NDArray[np.float64] | None = None
    labels: tuple[str, ...] = ()
    unit: str = ""

    def __post_init__(self) -> None:
        if not SERIES_NAME.match(self.name):
            raise _bad(f"{self.name[:80]!r}", "is no name of a series")
        where = repr(self.name)
        if self.values.dtype.name not in DTYPES or self.values.ndim not in (1, 2):
            raise _bad(where, f"has values of type {self.values.dtype}, {self.values.ndim} axes")
        if self.values.size > MAX_VALUES or len(self.labels) > MAX_LABELS:
            raise _bad(where, f"has more than {MAX_VALUES} values or {MAX_LABELS} labels")
        if self.labels and self.values.ndim != 1:
            raise _bad(where, "has labels, but several values at a time")
        if (self.rate is None) == (self.times is None):
            raise _bad(where, "has either a rate or times")
        if self.rate is not None and not 0 < self.rate < 1e6:
            raise _bad(where, f"has a rate of {self.rate} Hz")
        if self.ends is not None and self.times is None:
            raise _bad(where, "has ends without times")
        for given in (self.times, self.ends):
            if given is not None and given.shape != self.values.shape[:1]:
                raise _bad(where, f"has {len(self.values)} values, but {len(given)} times")

    @property
    def starts(self) -> NDArray[np.float64]:
        """Seconds of each value, shape (n,)."""
        if self.times is not None:
            return self.times
        return np.arange(len(self.values)) / (self.rate or 1.0)

    def label(self, place: int) -> str | None:
        """The class of a value; None if the series has no classes or the value is none of them."""
        if not self.labels:
            return None
        index = int(self.values[place])
        return self.labels[index] if 0 <= index < len(self.labels) else None

    def lines(self) -> str:
        """As a ``.lab`` file: start, end if there is one, and label or values of each, by tabs."""
        lines = []
        for place, start in enumerate(self.starts):
            cells = [f"{start:.3f}"]
            if self.ends is not None:
                cells.append(f"{self.ends[place]:.3f}")
            label = self.label(place)
            values = np.atleast_1d(self.values[place])
            cells.append(label if label is not None else " ".join(f"{v:g}" for v in values))
            lines.append("\t".join(cells) + "\n")
        return "".join(lines)


def _bad(where: str, problem: str) -> InvalidInputError:
    return InvalidInputError(f"series {where} {problem}", reason="INVALID_SERIES")
