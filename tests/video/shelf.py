"""A library of made-up perceptual vectors, of any size."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from retrieval.core.payload import STANDARD_FIELDS
from retrieval.core.queries import SearchRequest, SearchResponse, VideoQuery, WeightedQuery
from retrieval.core.spaces import Distance, EmbeddingSpace, Modality
from retrieval.core.tracks import TrackRecord
from retrieval.encoders.perceptual import PerceptualEncoder
from retrieval.encoders.registry import EncoderSet
from retrieval.search import LocalLibrary
from retrieval.search.pictures import Pictures
from retrieval.store.edge import EdgeStore
from retrieval.video.features import Recommender

ENCODER = PerceptualEncoder()
WORDY = EmbeddingSpace(
    "wordy", 4, Distance.COSINE, "wordy-1", query_modalities=frozenset({Modality.TEXT})
)


@dataclass
class Shelf:
    store: EdgeStore
    library: LocalLibrary
    values: NDArray[np.float64]
    duration: NDArray[np.float64]

    def ask(self, query: VideoQuery, **more: object) -> SearchResponse:
        spaces = more.pop("spaces", ())
        asked = WeightedQuery(query, spaces=spaces)  # type: ignore[arg-type]
        return self.library.search(SearchRequest((asked,), **more))  # type: ignore[arg-type]

    def with_recommender(self, recommender: Recommender) -> Shelf:
        library = LocalLibrary(self.store, EncoderSet([ENCODER]), pictures=Pictures(recommender))
        return replace(self, library=library)


def fill(folder: Path, count: int) -> Shelf:
    rng = np.random.default_rng(5)
    spread = np.array([5.0, 3.0, 6.0, 3.5, 3.5, 20.0, 6.0, 16.0, 22.0, 32.0])
    centre = np.array([0.0, 2.0, 0.0, -1.0, 1.5, 43.0, 50.0, 40.0, 43.0, 0.0])
    values = (centre + spread * rng.normal(size=(count, 10))).astype(np.float32)
    duration = rng.uniform(20, 400, count).round(1)
    store = EdgeStore(folder)
    library = LocalLibrary(store, EncoderSet([ENCODER]))
    library.declare([ENCODER.space, WORDY], STANDARD_FIELDS)
    for start in range(0, count, 2000):
        library.write(
            [
                TrackRecord(
                    f"t{n:05d}",
                    {"duration": float(duration[n])},
                    {"perceptual": values[n], "wordy": rng.normal(size=4).astype(np.float32)},
                )
                for n in range(start, min(start + 2000, count))
            ]
        )
    library.refit("perceptual")
    return Shelf(store, library, values.astype(np.float64), duration)
