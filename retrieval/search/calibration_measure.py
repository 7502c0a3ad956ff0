"""Measuring a library's spaces for fits: once, and again when the library has changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from threading import Lock

import numpy as np

from retrieval.core.budget import Budget
from retrieval.core.spaces import (
    DenseVector,
    Distance,
    EmbeddingSpace,
    Level,
    Modality,
    Probe,
    SparseVector,
)
from retrieval.core.tracks import LibraryInfo, TrackRecord
from retrieval.encoders.zero_shot import BACKGROUND, Label, prompts
from retrieval.encoders.zero_shot_calibration import units
from retrieval.search.calibration import (
    LEAST,
    NONSENSE,
    Curve,
    Floats,
    SpaceCalibration,
    WordCounts,
    curve_between,
)
from retrieval.search.calibration_file import CalibrationFolder, Measured
from retrieval.search.coverage import Coverage
from retrieval.search.encoding import Encoding
from retrieval.search.fuse import Ranking
from retrieval.store.protocol import Store, StoreQuery

Sample = Callable[[], list[TrackRecord]]

SAMPLE = 512
"""Tracks that are read. A store's order is that of a digest, so that its first ones are any."""
_PAGE = 256
_PROBES = 24
"""Tracks whose nearest neighbour is looked for."""
_GROUP = 4
"""Texts of a group that an encoder must understand for it to be one."""


class Calibrations:
    """The calibrations of a library, measured when they are first needed.

    Kept in memory, and in a folder for processes that live no longer than one query. Safe from
    several threads.
    """

    def __init__(
        self, store: Store, encoding: Encoding, coverage: Coverage, folder: Path | None = None
    ) -> None:
        """Measure nothing yet.

        Args:
            store: The library.
            encoding: Encodes reference texts, and has the cohorts.
            coverage: Tells how many tracks a space has.
            folder: Where calibrations are kept; None keeps them in memory only.
        """
        self._store = store
        self._encoding = encoding
        self._coverage = coverage
        self._folder = None if folder is None else CalibrationFolder(folder)
        self._lock = Lock()
        self._held: dict[str, Measured] = {}

    def judge(
        self, rankings: Sequence[Ranking], info: LibraryInfo, budget: Budget
    ) -> list[Ranking]:
        """The rankings with the fits of their matches, where their space is calibrated.

        Asks the store nothing, but for counts that ``Coverage`` no longer believes, and once to
        measure a space.
        """
        # Spaces that are measured at once share one sample.
        sample = cache(self._sample)
        judged = []
        for ranking in rankings:
            fits = self._fits(ranking, info, budget, sample)
            told = None if fits is None else tuple(fits.tolist())
            judged.append(replace(ranking, fits=told))
        return judged

    def _fits(
        self, ranking: Ranking, info: LibraryInfo, budget: Budget, sample: Sample
    ) -> Floats | None:
        lane = ranking.lane
        space = info.spaces[lane.probe.space]
        if lane.source is None or not _calibrated(space):
            return None
        tracks, _ = self._coverage.of(space.name)
        if tracks < LEAST:
            return None
        scores = [match.score for match in ranking.matches]
        vector = lane.probe.vector
        cohort = self._encoding.cohort(space)
        if lane.source is Modality.TEXT and cohort and not isinstance(vector, SparseVector):
            return cohort.fits(vector, scores, tracks)
        of = self._of(space, tracks, info, budget, sample)
        if isinstance(of, WordCounts):
            return of.fits(vector, scores) if isinstance(vector, SparseVector) else None
        if of is None:
            return None
        curve = of.texts if lane.source is Modality.TEXT else of.sounds
        return None if curve is None else curve(scores)

    def _of(
        self,
        space: EmbeddingSpace,
        tracks: int,
        info: LibraryInfo,
        budget: Budget,
        sample: Sample,
    ) -> SpaceCalibration | WordCounts | None:
        with self._lock:
            held = self._held.get(space.name)
            if held is None and self._folder is not None:
                held = self._folder.load(info.id, space.name)
            if held is None or not held.holds(space.revision, tracks):
                records = sample()
                of = self._measure(space, records, budget)
                if of is None:
                    return None
                held = Measured(space.revision, tracks, of)
                if self._folder is not None:
                    self._folder.save(info.id, space.name, held)
            self._held[space.name] = held
        return held.of

    def _measure(
        self, space: EmbeddingSpace, records: Sequence[TrackRecord], budget: Budget
    ) -> SpaceCalibration | WordCounts | None:
        return _words(space, records) if space.sparse else self._dense(space, records, budget)

    def _dense(
        self, space: EmbeddingSpace, records: Sequence[TrackRecord], budget: Budget
    ) -> SpaceCalibration | None:
        held = [(r.id, r.vectors.get(space.name)) for r in records]
        ids = [track for track, v in held if v is not None]
        vectors = [v for _, v in held if v is not None and not isinstance(v, SparseVector)]
        if len(vectors) < LEAST:
            return None
        tracks = units(np.stack(vectors))
        music, nothing = self._texts(space, budget)
        probes = [*vectors[:_PROBES], *music, *nothing]
        best = self._store.search([StoreQuery(Probe(space.name, v), limit=2) for v in probes])
        near = [
            next((match.score for match in found if match.track_id != own), None)
            for own, found in zip(ids, best[:_PROBES], strict=False)
        ]
        texts = [found[0].score for found in best[min(_PROBES, len(vectors)) :] if found]
        pairs = (tracks @ tracks.T)[np.triu_indices(len(tracks), 1)]
        return SpaceCalibration(
            texts=_curve(texts[len(music) :], texts[: len(music)]),
            sounds=_curve(pairs, [score for score in near if score is not None]),
        )

    def _texts(
        self, space: EmbeddingSpace, budget: Budget
    ) -> tuple[list[DenseVector], list[DenseVector]]:
        """Vectors of reference texts: kinds of music, and nothing one could hear."""
        words = Modality.TEXT in space.query_modalities and self._encoding.has(space)
        if not words or self._encoding.cohort(space) is not None:
            return [], []
        music = [prompts(space.name, Label(word))[0] for word in BACKGROUND]
        found = self._encoding.texts(space, [*music, *NONSENSE], budget)
        dense = [v if isinstance(v, np.ndarray) else None for v in found]
        return (
            [v for v in dense[: len(music)] if v is not None],
            [v for v in dense[len(music) :] if v is not None],
        )

    def _sample(self) -> list[TrackRecord]:
        sample: list[TrackRecord] = []
        after: str | None = None
        while len(sample) < SAMPLE:
            page, after = self._store.scroll(limit=_PAGE, after=after, vectors=True)
            sample += page
            if after is None:
                break
        return sample


def _calibrated(space: EmbeddingSpace) -> bool:
    return space.sparse or (space.distance is Distance.COSINE and Level.TRACK in space.levels)


def _words(space: EmbeddingSpace, records: Sequence[TrackRecord]) -> WordCounts | None:
    held = [record.vectors.get(space.name) for record in records]
    lists = [vector.indices for vector in held if isinstance(vector, SparseVector)]
    if len(lists) < LEAST:
        return None
    indices, counts = np.unique(np.concatenate(lists), return_counts=True)
    return WordCounts(indices.astype(np.uint32), counts.astype(np.int64), len(lists))


def _curve(others: Sequence[float] | Floats, matches: Sequence[float]) -> Curve | None:
    if min(len(others), len(matches)) < _GROUP:
        return None
    return curve_between(others, matches)
