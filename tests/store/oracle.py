"""An exact store in NumPy and plain Python: what every real store must agree with.

Written from the words of ``retrieval.core.filters`` and ``retrieval.store.protocol``; it shares no
code with the stores below the domain types.
"""

from __future__ import annotations

import math
import unicodedata
import uuid
from collections import Counter
from dataclasses import replace
from datetime import datetime

import numpy as np

from retrieval.core.errors import InvalidInputError, PreconditionError
from retrieval.core.filters import (
    All,
    Any,
    AnyOf,
    Equals,
    Exists,
    NoneOf,
    Not,
    Range,
    TextMatch,
    TrackIds,
)
from retrieval.core.payload import STANDARD_FIELDS, FieldType
from retrieval.core.queries import FacetCount
from retrieval.core.spaces import Distance, Level, SparseVector
from retrieval.core.tracks import LibraryInfo
from retrieval.store.protocol import Match


def spoken_words(text):
    """Words of a text by the definition in ``core.words``, the slow way."""
    text = unicodedata.normalize("NFKC", text).casefold()
    text = unicodedata.normalize("NFKC", text)
    spaced = ""
    for char in text:
        name = unicodedata.name(char, "")
        alone = char.isalnum() and any(
            name.startswith(p)
            for p in (
                "CJK UNIFIED IDEOGRAPH", "CJK COMPATIBILITY IDEOGRAPH", "IDEOGRAPHIC NUMBER ZERO",
                "IDEOGRAPHIC ITERATION MARK", "IDEOGRAPHIC CLOSING MARK",
                "HIRAGANA", "KATAKANA", "THAI", "LAO", "MYANMAR", "KHMER",
            )
        )  # fmt: skip
        mark = unicodedata.category(char)[0] == "M"
        if alone:
            spaced += f" {char} "
        elif char.isalnum() or (mark and spaced and spaced[-1] != " "):
            spaced += char
        else:
            spaced += " "
    return set(spaced.split())


def holds(node, track_id, payload, fields):
    """Whether a payload passes a filter."""
    match node:
        case All(parts=parts):
            return all(holds(p, track_id, payload, fields) for p in parts)
        case Any(parts=parts):
            return any(holds(p, track_id, payload, fields) for p in parts)
        case Not(part=part):
            return not holds(part, track_id, payload, fields)
        case TrackIds(ids=ids):
            return track_id in ids
    value = payload.get(node.field, ())
    kind = fields[node.field].type
    values = [_comparable(kind, v) for v in (value if isinstance(value, tuple) else (value,))]
    match node:
        case Exists():
            return bool(values)
        case Equals(value=wanted):
            return _comparable(kind, wanted) in values
        case AnyOf(values=some):
            return any(_comparable(kind, w) in values for w in some)
        case NoneOf(values=some):
            return not any(_comparable(kind, w) in values for w in some)
        case TextMatch(text=text):
            return any(spoken_words(text) <= spoken_words(v) for v in values)
        case Range():
            return any(_within(kind, v, node) for v in values)
    raise AssertionError(node)


def _comparable(kind, value):
    if kind is FieldType.DATETIME:
        return datetime.fromisoformat(value)
    return float(f"{value:.15g}") if kind is FieldType.FLOAT else value


def _within(kind, value, node):
    def bound(b):
        return b if kind is FieldType.INTEGER else _comparable(kind, b)

    return (
        (node.gt is None or value > bound(node.gt))
        and (node.gte is None or value >= bound(node.gte))
        and (node.lt is None or value < bound(node.lt))
        and (node.lte is None or value <= bound(node.lte))
    )


class OracleStore:
    """The protocol, in memory, by brute force in float64."""

    def __init__(self):
        self._info = None
        self.tracks = {}

    def info(self):
        if self._info is None:
            raise PreconditionError("nothing declared", reason="LIBRARY_MISSING")
        return self._info

    def declare(self, spaces, fields=(), replacing=()):
        held = self._info or LibraryInfo(str(uuid.uuid4()), {}, {})
        merged, declared = dict(held.spaces), dict(held.fields)
        for space in spaces:
            if space.name in replacing and merged.get(space.name, space) != space:
                merged[space.name] = space
                statistics = {k: v for k, v in held.statistics.items() if k != space.name}
                held = replace(held, statistics=statistics)
                self.tracks = {i: _bared(r, space.name) for i, r in self.tracks.items()}
            old = merged.setdefault(space.name, space)
            if (old.revision, old.dim, old.distance, old.levels) != (
                space.revision, space.dim, space.distance, space.levels,
            ):  # fmt: skip
                raise PreconditionError("revision", reason="REVISION_MISMATCH")
        for field in (*STANDARD_FIELDS, *fields):
            if declared.setdefault(field.name, field).type is not field.type:
                raise PreconditionError("type", reason="FIELD_TYPE_CONFLICT")
        self._info = replace(held, spaces=merged, fields=declared)
        return self._info

    def set_statistics(self, space, statistics):
        info = self.info()
        self._info = replace(info, statistics={**info.statistics, space: statistics})

    def write(self, records):
        self.info()
        for record in records:
            self.tracks[record.id] = replace(record, vectors=_kept(record.vectors))

    def update(self, updates):
        for change in updates:
            old = self.tracks.get(change.id)
            if old is not None:
                vectors = _kept({**old.vectors, **change.vectors})
                self.tracks[change.id] = replace(old, payload=change.payload, vectors=vectors)

    def delete(self, track_ids):
        return len([self.tracks.pop(i) for i in dict.fromkeys(track_ids) if i in self.tracks])

    def retrieve(self, track_ids, *, payload=None, vectors=False, segments=False):
        found = [self.tracks[i] for i in track_ids if i in self.tracks]
        return tuple(_cut(r, payload, vectors, segments) for r in found)

    def scroll(self, filter=None, *, limit, after=None, vectors=False, segments=False):
        ids = sorted(i for i in self._passing(filter) if after is None or i > after)
        page = tuple(_cut(self.tracks[i], None, vectors, segments) for i in ids[:limit])
        return page, (ids[limit - 1] if len(ids) > limit else None)

    def count(self, filter=None, level=Level.TRACK):
        ids = self._passing(filter)
        return len(ids) if level is Level.TRACK else sum(len(self.tracks[i].segments) for i in ids)

    def count_vectors(self, space):
        levels = self.info().spaces[space].levels
        if Level.TRACK in levels:
            return sum(space in r.vectors for r in self.tracks.values())
        return sum(any(space in s.vectors for s in r.segments) for r in self.tracks.values())

    def facets(self, field, filter=None, *, limit=100):
        declared = self.info().fields.get(field)
        if declared is None or declared.type in (FieldType.FLOAT, FieldType.DATETIME):
            raise InvalidInputError("no facets", reason="INVALID_FIELD")
        seen = Counter()
        for i in self._passing(filter):
            value = self.tracks[i].payload.get(field, ())
            seen.update(set(value) if isinstance(value, tuple) else {value})
        ordered = sorted(seen.items(), key=lambda item: (-item[1], item[0]))
        return tuple(FacetCount(*item) for item in ordered[:limit])

    def search(self, queries):
        return tuple(self._answer(q) for q in queries)

    def optimize(self):
        self.info()

    def flush(self):
        self.info()

    def close(self):
        self._info = None

    def _passing(self, filter):
        fields = self.info().fields
        return [
            i
            for i, r in self.tracks.items()
            if filter is None or holds(filter, i, r.payload, fields)
        ]

    def _answer(self, query):
        space = self.info().spaces[query.probe.space]
        points = []
        for i in self._passing(query.filter):
            record = self.tracks[i]
            if query.level is Level.TRACK:
                points.append((i, None, record.vectors.get(space.name)))
            else:
                points += [(i, s.span, s.vectors.get(space.name)) for s in record.segments]
        scored = []
        for i, span, vector in points:
            if vector is None:
                continue
            score = self._score(space, query.probe, vector)
            if score is not None:
                payload = self.tracks[i].payload
                if query.payload is not None:
                    payload = {k: v for k, v in payload.items() if k in query.payload}
                far = -score if space.distance is Distance.WEIGHTED_EUCLIDEAN else None
                scored.append(Match(i, score, span, far, payload))
        scored.sort(key=_order)
        if query.per_track is None:
            return tuple(scored[: query.limit])
        groups = {}
        for match in scored:
            groups.setdefault(match.track_id, []).append(match)
        chosen = list(groups.values())[: query.limit]
        return tuple(m for group in chosen for m in group[: query.per_track])

    def _score(self, space, probe, vector):
        if space.sparse:
            held = dict(zip(vector.indices.tolist(), vector.values.tolist(), strict=True))
            asked = zip(probe.vector.indices.tolist(), probe.vector.values.tolist(), strict=True)
            shared = [(i, v) for i, v in asked if i in held]
            return (
                sum(self._idf(space.name, i) * v * held[i] for i, v in shared) if shared else None
            )
        q, x = probe.vector.astype(np.float64), vector.astype(np.float64)
        if space.distance is Distance.WEIGHTED_EUCLIDEAN:
            weights = np.ones(space.dim) if probe.weights is None else probe.weights
            return -math.sqrt(float(np.sum(weights * (q - x) ** 2)))
        if space.distance is Distance.COSINE:
            return float(q @ x / np.linalg.norm(q) / np.linalg.norm(x))
        return float(q @ x)

    def _idf(self, space, index):
        """Inverse document frequency of Qdrant's documentation (that of BM25+)."""
        held = [r.vectors[space] for r in self.tracks.values() if space in r.vectors]
        having = sum(index in v.indices for v in held)
        return math.log((len(held) - having + 0.5) / (having + 0.5) + 1)


def _order(match):
    return -match.score, match.track_id, match.span.start if match.span else 0


def _bared(record, space):
    def rest(vectors):
        return {k: v for k, v in vectors.items() if k != space}

    parts = tuple(replace(s, vectors=rest(s.vectors)) for s in record.segments)
    return replace(record, vectors=rest(record.vectors), segments=parts)


def _kept(vectors):
    return {k: v for k, v in vectors.items() if not (isinstance(v, SparseVector) and len(v) == 0)}


def _cut(record, payload, vectors, segments):
    kept = {k: v for k, v in record.payload.items() if payload is None or k in payload}
    parts = sorted(record.segments, key=lambda s: s.span) if segments else ()
    if not vectors:
        parts = [replace(s, vectors={}) for s in parts]
    return replace(
        record, payload=kept, vectors=record.vectors if vectors else {}, segments=tuple(parts)
    )
