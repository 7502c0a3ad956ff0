"""How an engine indexes and searches dense vectors; the defaults are measured."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tuning:
    """Settings of the graph index (HNSW) of cosine and dot spaces.

    Sparse and weighted-Euclidean spaces are always scanned and know none of these.

    Attributes:
        m: Edges per node; more is more exact and larger.
        ef_construct: Candidates while building.
        ef: Candidates while searching; more is more exact and slower.
        indexing_kb: Vectors of one space in one engine segment, in KB, from which a graph is built.
        full_scan_kb: Vectors that pass a filter, in KB, below which they are scanned instead.
    """

    m: int = 16
    ef_construct: int = 128
    ef: int = 128
    indexing_kb: int = 10_000
    full_scan_kb: int = 10_000
