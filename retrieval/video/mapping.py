"""The small recommender that every machine has: a mapping one can read, without any training.

Each dimension of a picture has a *position*, 0 (none of it) to 1 (as much as there is), and moves
the dimensions of music named with it, up or down, as film music commonly does: faster cutting asks
for faster rhythm, a darker picture for less brightness, more motion for more arousal (Cohen 2001;
Valdez and Mehrabian 1994 for lightness and pleasure). Every path is monotone. The position of a
musical dimension is the weighted mean of those of its causes that are known, and becomes the value
at that quantile of the library at hand, taken as normally distributed: so the answer is always
music that the library has. A dimension that nothing known speaks of has no weight. It says what is
plausible, not what anyone chose; trained recommenders take its place.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from statistics import NormalDist

from retrieval.core.errors import PreconditionError
from retrieval.core.spaces import Statistics
from retrieval.core.video import Prediction, VideoFeatures

NAME = "default mapping"

Position = Callable[[float], float]

POSITIONS: Mapping[str, Position] = {
    "character_tension": lambda value: value / 100.0,
    "scene_tension": lambda value: value / 100.0,
    "narrative_pace": lambda value: value / 100.0,
    "narrative_content": lambda value: value / 100.0,
    "figure_affinity": lambda value: (value + 100.0) / 200.0,
    "action_energy": lambda value: value / 100.0,
    # The middles of the next three are judged, not measured: a lightness of 45, no cast, and a
    # motion of an eighth of the picture's width per second.
    "color_weight": lambda value: _logistic((value - 0.55) / 0.09),
    "color_temperature": lambda value: _logistic(value / 0.15),
    "motion_amplitude": lambda value: max(value, 0.0) / (max(value, 0.0) + 0.125),
    "visual_arousal": lambda value: value / 100.0,
    "visual_valence": lambda value: (value + 100.0) / 200.0,
}
"""From values in the units of ``retrieval.video.measuring`` (or 0..100, signed -100..100)."""

CAUSES: Mapping[str, Mapping[str, float]] = {
    "richness": {"action_energy": 1.0, "narrative_content": 1.0},
    "variation": {"narrative_pace": 1.0, "narrative_content": 1.0},
    "rhythm": {"narrative_pace": 1.0, "action_energy": 1.0},
    "warmth": {"color_temperature": 1.0, "figure_affinity": 1.0},
    "harmony": {"scene_tension": -1.0, "character_tension": -1.0},
    "brightness": {"color_weight": -1.0},
    "melody_trend": {},
    "rhythm_speed": {"narrative_pace": 2.0, "motion_amplitude": 1.0, "action_energy": 1.0},
    "arousal": {
        "motion_amplitude": 1.0,
        "action_energy": 1.0,
        "narrative_pace": 1.0,
        "visual_arousal": 3.0,
    },
    "valence": {"color_weight": -1.0, "color_temperature": 1.0, "visual_valence": 4.0},
}
"""What moves each dimension of music, how strongly, and down where negative."""

_ENDS = 0.02
_NORMAL = NormalDist()


class DefaultMapping:
    """The mapping on one library; a ``features.Recommender``.

    Attributes:
        video_set: None: it takes videos of any feature set.
        revision: None: it speaks in the quantiles of the library it is given.
    """

    video_set = None
    revision = None

    def __init__(self, dims: tuple[str, ...], statistics: Statistics) -> None:
        """Take the dimensions of a library's space and their statistics."""
        self._dims = dims
        self._statistics = statistics

    def predict(self, features: VideoFeatures) -> Prediction:
        """Values at the quantiles the picture asks for.

        Raises:
            PreconditionError: MODEL_MISSING if nothing is known of the clip that it maps.
        """
        known = {name: _position(name, value) for name, value in features.known().items()}
        means, weights = [], []
        for place, dim in enumerate(self._dims):
            position, weight = _effect(CAUSES.get(dim, {}), known)
            z = _NORMAL.inv_cdf(position)
            means.append(self._statistics.mean[place] + self._statistics.std[place] * z)
            weights.append(weight)
        if not any(weights):
            raise PreconditionError(
                "nothing is known of this clip that the default mapping could match on; name a "
                "trained recommender in SEGUE_VIDEO_RECOMMENDER (see segue train recommender), or "
                "give more of the eleven values",
                reason="MODEL_MISSING",
                metadata={"known": ",".join(known), "setting": "SEGUE_VIDEO_RECOMMENDER"},
            )
        return Prediction(tuple(means), None, None, NAME, tuple(weights))


def _position(name: str, value: float) -> float:
    return min(max(POSITIONS[name](value), 0.0), 1.0)


def _effect(causes: Mapping[str, float], known: Mapping[str, float]) -> tuple[float, float]:
    """Position of a musical dimension, and the share of its causes that are known."""
    strength = sum(abs(weight) for name, weight in causes.items() if name in known)
    if strength == 0.0:
        return 0.5, 0.0
    total = sum(
        abs(weight) * (known[name] if weight > 0 else 1.0 - known[name])
        for name, weight in causes.items()
        if name in known
    )
    position = min(max(total / strength, _ENDS), 1.0 - _ENDS)
    return position, strength / sum(map(abs, causes.values()))


def _logistic(value: float) -> float:
    return 1.0 / (1.0 + math.exp(-min(max(value, -50.0), 50.0)))
