"""Measuring labels on a library: which spaces, which labels anew, and the walk over all vectors."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from indexer.tagging_file import SpaceFits, Tagging
from retrieval.core.errors import InvalidInputError, PreconditionError
from retrieval.core.filters import Filter
from retrieval.core.library import Library, VectorReader
from retrieval.core.spaces import SparseVector
from retrieval.core.tracks import LibraryInfo, TrackRecord
from retrieval.encoders.protocol import Encoder, TextEncoder
from retrieval.encoders.zero_shot import Label, background_vectors, can_tag, label_vectors
from retrieval.encoders.zero_shot_calibration import Calibrator, LabelFit

MEASURE_FROM = 16
"""Tracks a space must have before labels are measured in it."""
PAGE = 256


Told = Callable[[int], None]
"""Called with the number of tracks read so far; may raise to stop."""


class StoppedError(Exception):
    """The run is to end before what is measured is known."""


def unless(stopped: Callable[[], bool]) -> Told:
    """Go on measuring unless the run is stopped, which raises ``StoppedError``."""

    def told(_: int) -> None:
        if stopped():
            raise StoppedError

    return told


@dataclass(frozen=True, slots=True)
class Wish:
    """What the caller asks for.

    Attributes:
        labels: None for those remembered.
        spaces: Empty for those remembered or, if there are none, for all that can tag.
        threshold: None for the one remembered.
        recalibrate: Measure every label anew, in all spaces that can tag unless some are named.
    """

    labels: tuple[Label, ...] | None = None
    spaces: tuple[str, ...] = ()
    threshold: float | None = None
    recalibrate: bool = False


DEFAULT_THRESHOLD = 0.5


def settle(
    wish: Wish,
    before: Tagging | None,
    library: Library,
    encoders: Mapping[str, Encoder],
    told: Told,
) -> Tagging:
    """The tagging that a wish comes to; labels that were measured keep their thresholds.

    Only what is missing is measured, which takes one walk over the library; where nothing is,
    neither the library nor an encoder is asked.

    Raises:
        PreconditionError: SPACE_UNAVAILABLE, MODEL_MISSING, REVISION_MISMATCH or TOO_FEW_TRACKS.
        InvalidInputError: INVALID_LABELS if there are none, or one says nothing in a space.
    """
    labels = wish.labels or (before.labels if before is not None else ())
    if not labels:
        raise InvalidInputError(
            "this library has no labels yet; name a file of them, or some with --label",
            reason="INVALID_LABELS",
        )
    threshold = wish.threshold or (before.threshold if before is not None else DEFAULT_THRESHOLD)
    info = library.info()
    known = _known(before, info, wish)
    able = tuple(encoder.space.name for encoder in taggers(info, encoders))
    renewed: tuple[str, ...] = ()
    if before is not None and not wish.recalibrate:
        renewed = tuple(name for name in able if name in before.spaces and name not in known)
    names = wish.spaces or (*known, *renewed) or able
    missing = {
        name: [label for label in labels if label not in known.get(name, {})] for name in names
    }
    if not names or any(missing.values()):
        for name, fits in _measured(missing, info, library, encoders, told).items():
            known.setdefault(name, {}).update(fits)
    # A space with too few tracks is left out while there is another.
    spaces = {
        name: SpaceFits(info.spaces[name].revision, tuple(known[name][one] for one in labels))
        for name in names
        if all(one in known.get(name, {}) for one in labels)
    }
    return Tagging(labels, threshold, spaces)


def is_current(tagging: Tagging, info: LibraryInfo) -> bool:
    """Whether its thresholds were measured on the vectors that the library has now."""
    return bool(tagging.spaces) and all(
        name in info.spaces and info.spaces[name].revision == held.revision
        for name, held in tagging.spaces.items()
    )


def pages(library: VectorReader, filter: Filter | None = None) -> Iterator[tuple[TrackRecord, ...]]:
    """The tracks that pass a filter with their vectors, page by page."""
    after: str | None = None
    while True:
        page = library.read_page(filter, limit=PAGE, after=after)
        yield page.records
        after = page.next_after
        if after is None:
            return


def taggers(info: LibraryInfo, encoders: Mapping[str, Encoder]) -> tuple[TextEncoder, ...]:
    """The encoders here that can compare labels with tracks of this library."""
    return tuple(
        encoder
        for name, encoder in sorted(encoders.items())
        if name in info.spaces
        and info.spaces[name].revision == encoder.space.revision
        and can_tag(info.spaces[name])
        and isinstance(encoder, TextEncoder)
    )


def why_not(info: LibraryInfo, encoders: Mapping[str, Encoder]) -> PreconditionError | None:
    """Why no labels can be measured here, or None if they can."""
    return None if taggers(info, encoders) else _unable("", info, encoders, ())


def _known(
    before: Tagging | None, info: LibraryInfo, wish: Wish
) -> dict[str, dict[Label, LabelFit]]:
    if before is None or wish.recalibrate:
        return {}
    return {
        name: dict(zip(before.labels, held.fits, strict=True))
        for name, held in before.spaces.items()
        if name in info.spaces and info.spaces[name].revision == held.revision
    }


def _measured(
    missing: Mapping[str, Sequence[Label]],
    info: LibraryInfo,
    library: Library,
    encoders: Mapping[str, Encoder],
    told: Told,
) -> dict[str, dict[Label, LabelFit]]:
    able = {encoder.space.name: encoder for encoder in taggers(info, encoders)}
    for name in missing:
        if name not in able:
            raise _unable(name, info, encoders, tuple(able))
    if not missing and (problem := why_not(info, encoders)) is not None:
        raise problem
    wanted = {name: labels for name, labels in missing.items() if labels}
    calibrators = {
        name: Calibrator(label_vectors(able[name], labels), background_vectors(able[name]))
        for name, labels in wanted.items()
    }
    read = 0
    for page in pages(library):
        for name, calibrator in calibrators.items():
            _add(calibrator, name, page)
        read += len(page)
        told(read)
    enough = {n: c for n, c in calibrators.items() if c.tracks >= MEASURE_FROM}
    if not enough:
        counts = ", ".join(f"{name} has {c.tracks}" for name, c in calibrators.items())
        raise PreconditionError(
            f"thresholds are measured on the library itself, on {MEASURE_FROM} tracks at least; "
            f"{counts}: index more music first",
            reason="TOO_FEW_TRACKS",
            metadata={"least": str(MEASURE_FROM)},
        )
    return {
        name: dict(zip(wanted[name], calibrator.fits(), strict=True))
        for name, calibrator in enough.items()
    }


def _add(calibrator: Calibrator, space: str, page: Sequence[TrackRecord]) -> None:
    held = [(r.id, v) for r in page if (v := r.vectors.get(space)) is not None]
    dense = [(track_id, v) for track_id, v in held if not isinstance(v, SparseVector)]
    if dense:
        calibrator.add([track_id for track_id, _ in dense], np.stack([v for _, v in dense]))


def _unable(
    name: str, info: LibraryInfo, encoders: Mapping[str, Encoder], able: Sequence[str]
) -> PreconditionError:
    """Why labels cannot be compared with tracks in a space, or (no name) in any."""
    fix = "set SEGUE_ENCODERS to one of words and sound (ear, clap, clamp3), and index with it"
    if not name:
        message, reason = f"no space here compares words with sound; {fix}", "SPACE_UNAVAILABLE"
    elif name not in info.spaces:
        have = ", ".join(able) or "none"
        message = f"the library has no space {name[:80]!r}; labels can be compared in: {have}"
        reason = "SPACE_UNAVAILABLE"
    elif not can_tag(info.spaces[name]):
        message = f"space {name!r} does not compare words with sound; {fix}"
        reason = "SPACE_UNAVAILABLE"
    elif name not in encoders:
        message = f"the encoder of space {name!r} is not loaded; add it to SEGUE_ENCODERS"
        reason = "MODEL_MISSING"
    else:
        message = (
            f"space {name!r} was filled with revision {info.spaces[name].revision}, and the "
            f"encoder here is {encoders[name].space.revision}; bring it up to date with "
            "`segue index --upgrade`, or use the weights it was made with"
        )
        reason = "REVISION_MISMATCH"
    return PreconditionError(message, reason=reason, metadata={"space": name[:80]})
