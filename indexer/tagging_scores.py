"""Scores and tags of tracks, as payload."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from indexer.tagging_file import Tagging
from indexer.tagging_labels import LEAST_SCORE, PREFIX, TAGGED_BY, TAGS, field_of
from retrieval.core.payload import Payload, PayloadValue
from retrieval.core.spaces import SparseVector, Vector
from retrieval.encoders.zero_shot_calibration import Floats, Scorer

_DIGITS = 3


class Tagger:
    """Tags tracks by frozen labels. Any thread may use it."""

    def __init__(self, tagging: Tagging) -> None:
        self.revision = tagging.revision
        self._threshold = tagging.threshold
        self._names = [label.name for label in tagging.labels]
        self._fields = [field_of(label) for label in tagging.labels]
        self._scorers = {name: Scorer(held.fits) for name, held in tagging.spaces.items()}

    def scores(self, tracks: Sequence[Mapping[str, Vector]]) -> Floats:
        """Scores in 0..1, shape (n, labels): the mean over the spaces a track has a vector in.

        A track without any has NaN throughout.
        """
        total = np.zeros((len(tracks), len(self._names)))
        counts = np.zeros((len(tracks), 1))
        for space, scorer in self._scorers.items():
            held = [(n, v) for n, track in enumerate(tracks) if (v := track.get(space)) is not None]
            dense = [(n, v) for n, v in held if not isinstance(v, SparseVector)]
            if dense:
                places = [place for place, _ in dense]
                total[places] += scorer.scores(np.stack([vector for _, vector in dense]))
                counts[places] += 1
        with np.errstate(invalid="ignore"):
            fused: Floats = total / counts
        return fused

    def payloads(self, tracks: Sequence[Mapping[str, Vector]]) -> list[dict[str, PayloadValue]]:
        """The part of each track's payload that comes from its labels, ``tagged_by`` included.

        Empty for a track without a vector: it is not tagged, and will be once it has one.
        """
        return [self._payload(row) for row in self.scores(tracks).tolist()]

    def _payload(self, scores: Sequence[float]) -> dict[str, PayloadValue]:
        if np.isnan(scores[0]):
            return {}
        rounded = [round(score, _DIGITS) for score in scores]
        kept = [place for place, score in enumerate(rounded) if score >= LEAST_SCORE]
        payload: dict[str, PayloadValue] = {self._fields[place]: rounded[place] for place in kept}
        fitting = [place for place in kept if rounded[place] >= self._threshold]
        fitting.sort(key=lambda place: -rounded[place])
        if fitting:
            payload[TAGS.name] = tuple(self._names[place] for place in fitting)
        payload[TAGGED_BY.name] = self.revision
        return payload


def without_tags(payload: Payload) -> dict[str, PayloadValue]:
    """A payload, or the computed part of one, without what labels brought."""
    names = {TAGS.name, TAGGED_BY.name}
    return {
        name: value
        for name, value in payload.items()
        if name not in names and not name.startswith(PREFIX)
    }


def tags_of(payload: Payload) -> dict[str, PayloadValue]:
    """What labels brought to a payload."""
    others = without_tags(payload)
    return {name: value for name, value in payload.items() if name not in others}
