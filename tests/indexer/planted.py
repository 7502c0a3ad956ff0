"""A library of planted vectors: which track has which label is known."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from retrieval.core.payload import STANDARD_FIELDS, Field, FieldType
from retrieval.core.spaces import DenseVector, Distance, EmbeddingSpace, Level, Modality
from retrieval.core.tracks import SegmentRecord, Span, TrackRecord
from retrieval.encoders.zero_shot import Label
from retrieval.search import LocalLibrary
from retrieval.settings import Settings
from retrieval.store import open_store

DIM = 64
TRACKS = 400
SHARES = {"calm": 0.2, "piano": 0.05, "vocals": 0.6}
LABELS = tuple(Label(name) for name in (*SHARES, "bagpipes"))


def meaning(text: str) -> DenseVector:
    """The direction of a text: that of the label in it, or one of its own."""
    word = next((label.name for label in LABELS if label.name in text), text)
    seed = int.from_bytes(hashlib.blake2b(word.encode(), digest_size=4).digest())
    vector = np.random.default_rng(seed).normal(size=DIM)
    return (vector / np.linalg.norm(vector)).astype(np.float32)


class Meanings:
    """Looks texts up; tracks are planted around the same directions."""

    def __init__(self, name: str = "planted", revision: str = "planted-1") -> None:
        self.space = EmbeddingSpace(
            name=name,
            dim=DIM,
            distance=Distance.COSINE,
            revision=revision,
            query_modalities=frozenset({Modality.TEXT, Modality.AUDIO}),
            levels=frozenset({Level.TRACK, Level.SEGMENT}),
        )
        self.texts: list[str] = []

    def prepare_text(self, text: str) -> str:
        return text

    def forward_text(self, batch: list[str]) -> list[DenseVector]:
        self.texts += batch
        return [meaning(text) for text in batch]


def plant(
    count: int = TRACKS, seed: int = 0, *, names: tuple[str, ...] = ("planted",)
) -> tuple[list[TrackRecord], dict[str, NDArray[np.bool_]]]:
    """Tracks and, by label, which of them have it."""
    rng = np.random.default_rng(seed)
    truth = {name: rng.random(count) < share for name, share in SHARES.items()}
    records = []
    for number in range(count):
        vectors = {}
        for space in names:
            vector = meaning("any sound") + 0.1 * rng.normal(size=DIM)
            vector += sum(0.6 * meaning(name) for name in truth if truth[name][number])
            vectors[space] = (rng.uniform(0.5, 2.0) * vector).astype(np.float32)
        segments = (SegmentRecord(Span(0.0, 10.0), dict(vectors)),)
        payload = {"title": f"Track {number}", "mood": "mine", "tag_of_mine": "kept"}
        records.append(TrackRecord(f"t{seed}-{number:04d}", payload, vectors, segments))
    return records, truth


OWN = (Field("mood", FieldType.KEYWORD), Field("tag_of_mine", FieldType.KEYWORD))


def open_planted(data: Path, *encoders: Meanings) -> LocalLibrary:
    """The library in a data folder."""
    by_name = {encoder.space.name: encoder for encoder in encoders}
    return LocalLibrary(open_store(Settings(data_dir=data)), by_name)


def fill(library: LocalLibrary, records: list[TrackRecord], *encoders: Meanings) -> None:
    """Declare and write."""
    library.declare([encoder.space for encoder in encoders], (*STANDARD_FIELDS, *OWN))
    for start in range(0, len(records), 500):
        library.write(records[start : start + 500])
