"""Ridge regression (Hoerl and Kennard 1970), for few examples and as a baseline."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

PENALTIES = (1.0, 10.0, 100.0, 1_000.0, 10_000.0)
"""Those to choose from; of standardised columns."""

Values = NDArray[np.floating]


@dataclass(frozen=True, slots=True, eq=False)
class Ridge:
    """A linear map: ``x @ weight.T + bias``.

    Attributes:
        weight: float32 (outputs, columns).
        bias: float32 (outputs,).
    """

    weight: NDArray[np.float32]
    bias: NDArray[np.float32]

    def __call__(self, x: Values) -> NDArray[np.float64]:
        """Predictions of rows."""
        return np.asarray(x @ self.weight.T.astype(np.float64) + self.bias, dtype=np.float64)


def fit_ridge(x: Values, y: Values, penalties: NDArray[np.float64]) -> Ridge:
    """Fit each column of ``y``, NaN left out, with a penalty of its own.

    A column without any value is predicted as 0.
    """
    weight = np.zeros((y.shape[1], x.shape[1]))
    bias = np.zeros(y.shape[1])
    for column, penalty in enumerate(penalties):
        there = np.isfinite(y[:, column])
        if not there.any():
            continue
        rows, label = x[there].astype(np.float64), y[there, column]
        centre, middle = rows.mean(axis=0), label.mean()
        rows, label = rows - centre, label - middle
        if len(rows) < rows.shape[1]:
            # The dual: as many unknowns as examples.
            inner = rows @ rows.T + penalty * np.eye(len(rows))
            weight[column] = rows.T @ np.linalg.solve(inner, label)
        else:
            inner = rows.T @ rows + penalty * np.eye(rows.shape[1])
            weight[column] = np.linalg.solve(inner, rows.T @ label)
        bias[column] = middle - centre @ weight[column]
    return Ridge(weight.astype(np.float32), bias.astype(np.float32))


def choose_penalties(x: Values, y: Values, held_x: Values, held_y: Values) -> NDArray[np.float64]:
    """For each column the penalty with the least squared error on what was held back."""
    errors = []
    for penalty in PENALTIES:
        found = fit_ridge(x, y, np.full(y.shape[1], penalty))(held_x)
        there = np.isfinite(held_y)
        errors.append((np.where(there, found - held_y, 0.0) ** 2).sum(axis=0))
    chosen: NDArray[np.float64] = np.asarray(PENALTIES)[np.argmin(errors, axis=0)]
    return chosen
