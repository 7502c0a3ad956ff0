"""A small library with known vectors: every space kind there is, and encoders one can compute by.

``hue`` is a cosine space of unit vectors by colour words; ``perceptual`` is the real space with
made-up vectors; ``tone`` is a second audio and text space without dimension names.
"""

from __future__ import annotations

import numpy as np

from retrieval.core.errors import InvalidInputError
from retrieval.core.payload import STANDARD_FIELDS
from retrieval.core.spaces import Distance, EmbeddingSpace, Level, Modality
from retrieval.core.tracks import SegmentRecord, Span, TrackRecord
from retrieval.encoders.lexical import LexicalEncoder
from retrieval.encoders.perceptual import PerceptualEncoder
from retrieval.encoders.protocol import Windowing

COLOURS = ("red", "green", "blue", "white", "black", "amber", "violet", "grey")


class HueEncoder:
    """Text to the sum of its colour words, in a cosine space of tracks and segments."""

    def __init__(self, name: str = "hue", revision: str = "hue-1") -> None:
        self.space = EmbeddingSpace(
            name=name,
            dim=len(COLOURS),
            distance=Distance.COSINE,
            revision=revision,
            query_modalities=frozenset({Modality.TEXT}),
            levels=frozenset({Level.TRACK, Level.SEGMENT}),
            float16=False,
        )
        self.batches: list[int] = []

    def prepare_text(self, text):
        counts = [text.split().count(colour) for colour in COLOURS]
        if not any(counts):
            raise InvalidInputError("hue: there is no colour in the text")
        return np.array(counts, dtype=np.float32)

    def forward_text(self, batch):
        self.batches.append(len(batch))
        return list(np.stack(batch))


class ToneEncoder:
    """Sound to its loudness profile, ten numbers like the perceptual space has, in a dot space."""

    sample_rate = 8_000
    windowing = Windowing(1.0, 1.0, 0.1)

    def __init__(self) -> None:
        self.space = EmbeddingSpace(
            name="tone",
            dim=10,
            distance=Distance.DOT,
            revision="tone-1",
            query_modalities=frozenset({Modality.AUDIO}),
            float16=False,
        )
        self.batches: list[int] = []

    def prepare_audio(self, window):
        return np.array([np.sqrt(np.mean(p**2)) for p in np.array_split(window, 10)])

    def forward_audio(self, batch):
        self.batches.append(len(batch))
        return np.stack(batch).astype(np.float32)

    def pool(self, vectors, durations):
        return np.average(vectors, axis=0, weights=durations).astype(np.float32)


PERCEPTUAL = PerceptualEncoder()
LEXICAL = LexicalEncoder()
SPACES = (HueEncoder().space, PERCEPTUAL.space, LEXICAL.space)


def encoders(*more):
    return {e.space.name: e for e in (HueEncoder(), PERCEPTUAL, LEXICAL, *more)}


def track_id(number: int) -> str:
    return f"{number:032x}"


def make_records(count: int = 40, seed: int = 7) -> list[TrackRecord]:
    """Tracks in a fixed order; track n has segments of 5 s and one of every four is jazz."""
    draw = np.random.default_rng(seed)
    anchor = PERCEPTUAL.space.anchor
    records = []
    for number in range(count):
        hue = np.abs(draw.normal(size=8)).astype(np.float32)
        ten = (np.array(anchor.centre) + draw.normal(size=10) * anchor.scale).astype(np.float32)
        payload = {
            "title": f"Piece {COLOURS[number % 8]} {number}",
            "artist": ("Ada", "Ben", "Cleo")[number % 3],
            "genre": ("jazz", "rock", "folk", "techno")[number % 4],
            "bpm": 60.0 + number,
            "year": 1960 + number,
            "duration": 20.0,
            "paths": (f"/music/{number:03d}.flac",),
        }
        segments = tuple(
            SegmentRecord(
                Span(5.0 * place, 5.0 * place + 5.0),
                {
                    "hue": np.abs(hue + draw.normal(size=8) * 0.5).astype(np.float32),
                    "perceptual": (ten + draw.normal(size=10) * anchor.scale / 4).astype(
                        np.float32
                    ),
                },
            )
            for place in range(4)
        )
        vectors = {"hue": hue, "perceptual": ten, "lexical": LEXICAL.encode_words(payload)}
        records.append(TrackRecord(track_id(number), payload, vectors, segments))
    return records


def fill(store, records=None, spaces=SPACES):
    store.declare(spaces, STANDARD_FIELDS)
    store.write(make_records() if records is None else records)
    return store
