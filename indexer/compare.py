"""``segue compare``: how alike two files, two folders, or a text and sounds are."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from indexer.options import IndexOptions
from indexer.report import Failure
from indexer.scan import printable
from indexer.sides import Kind, Side
from indexer.stopping import stopping_on_signals
from indexer.vectors import Vectors, encode_files, encode_texts, read_text, read_vector
from retrieval.core.errors import InvalidInputError, PreconditionError
from retrieval.core.spaces import DenseVector, Distance
from retrieval.encoders.protocol import AudioEncoder, Encoder, HasReference, TextEncoder

VECTORS = "vectors"
"""The space of vector files that are compared with each other: theirs, whatever it is."""

Progress = Callable[[int, int], None]
"""Called with the sound files done so far and those there are."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two files, and how alike they are by space.

    Attributes:
        a: Name of the file on the first side, without extension.
        b: That on the second side.
        scores: Higher is more alike; see ``Comparison.measures``.
    """

    a: str
    b: str
    scores: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a comparison came to.

    Attributes:
        measures: By space: ``cosine``, ``dot``, or ``distance`` (negative; 0 is the same).
        pairs: Files of the same name; a single file with each of a folder, the most alike first;
            or, of groups, one pair.
        means: Of the pairs, by space.
        unpaired: Names that only one side has.
        failed: Files without a vector, one line each.
        interrupted: It was stopped early.
    """

    measures: Mapping[str, str]
    pairs: tuple[Pair, ...]
    means: Mapping[str, float]
    unpaired: tuple[str, ...]
    failed: tuple[Failure, ...]
    interrupted: bool = False


def compare(
    a: Side,
    b: Side,
    encoders: Sequence[Encoder],
    *,
    group: bool = False,
    options: IndexOptions | None = None,
    progress: Progress | None = None,
    stop: threading.Event | None = None,
) -> Comparison:
    """Compare two sides in every space whose encoder takes what is on both.

    Args:
        a: The one.
        b: The other.
        encoders: Not needed if both sides are vectors.
        group: Compare the mean vector of each side instead of pairs.
        options: Workers and bounds of decoding.
        progress: Called as sound files are done.
        stop: Set it from another thread to end early.

    Raises:
        PreconditionError: MODEL_MISSING if no encoder takes both.
        InvalidInputError: No two files have the same name, or vectors fit several spaces.
    """
    stop = stop or threading.Event()
    with stopping_on_signals(stop):
        failed: list[Failure] = [*a.failures, *b.failures]
        read = [_read(side, failed) for side in (a, b)]
        chosen = _choose(a, b, encoders, [vectors for vectors, _ in read])
        sounds = sorted({p for s in (a, b) if s.kind is Kind.AUDIO for p in s.files.values()})
        told = 0

        def done() -> None:
            nonlocal told
            told += 1
            if progress is not None:
                progress(told, len(sounds))

        heard = encode_files(
            sounds,
            [encoder for encoder in chosen if isinstance(encoder, AudioEncoder)],
            options=options or IndexOptions(),
            done=done,
            stop=stop,
        )
        failed.extend(result for result in heard.values() if isinstance(result, Failure))
        sides: list[dict[str, Vectors]] = []
        for side, (vectors, texts) in zip((a, b), read, strict=True):
            found = {name: dict.fromkeys(_names(chosen), v) for name, v in vectors.items()}
            said = encode_texts(texts, [e for e in chosen if isinstance(e, TextEncoder)])
            own = {n: heard[p] for n, p in side.files.items() if p in heard} | said | found
            failed.extend(v for v in said.values() if isinstance(v, Failure))
            sides.append({n: v for n, v in own.items() if not isinstance(v, Failure)})
    score = _Scores(chosen)
    if stop.is_set():
        return Comparison(score.measures, (), {}, (), tuple(failed), interrupted=True)
    if group:
        pairs = [Pair(a.name, b.name, score.of(_mean(sides[0]), _mean(sides[1])))]
        unpaired: set[str] = set()
    else:
        pairs, unpaired = _pair(a, b, sides, score)
    failed += [
        Failure(pair.a, "INVALID_VECTOR", f"no vector of it compares with {pair.b}")
        for pair in pairs
        if not pair.scores
    ]
    pairs = [pair for pair in pairs if pair.scores]
    means = {
        space: float(np.mean([pair.scores[space] for pair in pairs if space in pair.scores]))
        for space in score.measures
        if any(space in pair.scores for pair in pairs)
    }
    if not means and not failed:
        raise InvalidInputError(
            f"{a.name} and {b.name}: no two files have the same name; --group compares the means"
        )
    failed = sorted(dict.fromkeys(failed))
    return Comparison(score.measures, tuple(pairs), means, tuple(sorted(unpaired)), tuple(failed))


def _read(side: Side, failed: list[Failure]) -> tuple[dict[str, DenseVector], dict[str, str]]:
    """The vectors and texts of a side, by name."""
    vectors: dict[str, DenseVector] = {}
    texts = {side.name: side.text} if side.text is not None else {}
    for name, path in side.files.items():
        try:
            if side.kind is Kind.FEATURES:
                vectors[name] = read_vector(Path(path))
            elif side.kind is Kind.TEXT:
                texts[name] = read_text(Path(path))
        except InvalidInputError as error:
            failed.append(Failure(printable(path), error.reason, error.message))
        except OSError as error:
            message = f"cannot be read: {error.strerror or error}"
            failed.append(Failure(printable(path), "FILE_UNREADABLE", message))
    return vectors, texts


def _choose(
    a: Side, b: Side, encoders: Sequence[Encoder], vectors: Sequence[Mapping[str, DenseVector]]
) -> list[Encoder]:
    """The encoders to compare with; none for two sides of vectors."""
    kinds = {a.kind, b.kind}
    if kinds == {Kind.FEATURES}:
        return []
    fitting = [
        encoder
        for encoder in encoders
        if not encoder.space.sparse
        and (Kind.AUDIO not in kinds or isinstance(encoder, AudioEncoder))
        and (Kind.TEXT not in kinds or isinstance(encoder, TextEncoder))
    ]
    what = " with ".join(sorted(kind.value for kind in kinds))
    if Kind.FEATURES in kinds:
        widths = {vector.size for side in vectors for vector in side.values()}
        fitting = [encoder for encoder in fitting if {encoder.space.dim} == widths]
        what += f" of {', '.join(map(str, sorted(widths)))} values"
        if len(fitting) > 1:
            raise InvalidInputError(f"{what}: say which space they are in: --space NAME")
    if not fitting:
        raise PreconditionError(
            f"no encoder here compares {what}; name one with --space (clap or clamp3 take texts "
            "and sound; see SEGUE_ENCODERS)",
            reason="MODEL_MISSING",
        )
    return fitting


def _names(chosen: Sequence[Encoder]) -> list[str]:
    return [encoder.space.name for encoder in chosen] or [VECTORS]


def _pair(
    a: Side, b: Side, sides: Sequence[Mapping[str, Vectors]], score: _Scores
) -> tuple[list[Pair], set[str]]:
    first, second = sides
    if a.folder and b.folder:
        both = [name for name in first if name in second]
        pairs = [Pair(name, name, score.of(first[name], second[name])) for name in both]
        return pairs, (a.files.keys() ^ b.files.keys())
    pairs = [
        Pair(n, m, score.of(one, other)) for n, one in first.items() for m, other in second.items()
    ]
    space = next(iter(score.measures))
    pairs.sort(key=lambda pair: (-pair.scores.get(space, -np.inf), pair.a, pair.b))
    return pairs, set()


def _mean(vectors: Mapping[str, Vectors]) -> Vectors:
    """The mean vector in each space, as CLAMP3's group score has it: of vectors as they are."""
    spaces = {space for one in vectors.values() for space in one}
    found: dict[str, DenseVector] = {}
    for space in spaces:
        rows = [one[space] for one in vectors.values() if space in one]
        if len({row.size for row in rows}) == 1:
            mean = np.mean(np.stack(rows), axis=0, dtype=np.float64)
            found[space] = np.asarray(mean, dtype=np.float32)
    return found


class _Scores:
    """Scores in the chosen spaces."""

    def __init__(self, chosen: Sequence[Encoder]) -> None:
        self._scales = {
            encoder.space.name: np.asarray(encoder.reference.std)
            for encoder in chosen
            if isinstance(encoder, HasReference)
        }
        words = {Distance.COSINE: "cosine", Distance.DOT: "dot"}
        self.measures = {e.space.name: words.get(e.space.distance, "distance") for e in chosen}
        self.measures = self.measures or {VECTORS: "cosine"}

    def of(self, a: Vectors, b: Vectors) -> dict[str, float]:
        """By space; one without comparable vectors on both sides is absent."""
        found: dict[str, float] = {}
        for space in self.measures:
            if space in a and space in b and a[space].size == b[space].size:
                score = self._score(space, a[space], b[space])
                if score is not None:
                    found[space] = score
        return found

    def _score(self, space: str, a: DenseVector, b: DenseVector) -> float | None:
        one, other = a.astype(np.float64), b.astype(np.float64)
        if self.measures[space] == "distance":
            return 0.0 - float(np.linalg.norm((one - other) / self._scales[space]))
        if self.measures[space] == "dot":
            return float(one @ other)
        lengths = float(np.linalg.norm(one) * np.linalg.norm(other))
        return float(one @ other) / lengths if lengths else None
