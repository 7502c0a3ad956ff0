"""Voice, genre and mood where no encoder tells them by itself: labels compared with the sound.

A space of words and sound (CLAP, CLAMP3) says how near a track is to a label, and what that means
is measured on the library (``retrieval.encoders.zero_shot_calibration``). A group that a label sets
apart there need not be the one it names: by the ear's vectors, half of 500 rendered songs were
apart as sad, of which one in four was. So less is told than by tags: by labels that set a small
group apart in every space, and of what is almost certainly in it. Thus 92 % of the genres were
right on 100, 250 and 500 such songs, 16 to 42 % were told, few voices and hardly a mood. On real
weights nothing was measured. What the ear has told of a track stands: that was.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import cast

from indexer.commit import Committer, Put
from indexer.describing import Described
from indexer.hearing import listener
from indexer.manifest import Manifest
from indexer.tagging_file import Tagging, load_tagging, save_tagging, tagging_path
from indexer.tagging_measure import StoppedError, Wish, settle, taggers, unless
from indexer.tagging_scores import Tagger
from indexer.tagging_standard import standard_labels
from retrieval.core.errors import PreconditionError
from retrieval.core.filters import TrackIds
from retrieval.core.library import Library, LibraryWriter, VectorReader
from retrieval.core.payload import PayloadValue
from retrieval.describe.heard import FIELDS, INSTRUMENTAL, VOCAL, Heard, payload
from retrieval.encoders.protocol import Encoder
from retrieval.encoders.zero_shot_calibration import SAMPLE

SURE, SMALL = 0.95, 0.3
"""Probability of being in the group, and its share of the library at most."""
NAME = "heard-by-labels"
"""What tracks are described by in the manifest, and what the file of the labels is called."""
_VOICES = {"vocals": VOCAL, "instrumental": INSTRUMENTAL}
_GROWN = 2
"""Times as many tracks, from which on labels are measured anew."""
_PAGE = 256


def hear_by_labels(
    library: LibraryWriter,
    encoders: Mapping[str, Encoder],
    *,
    manifest: Manifest,
    committer: Committer,
    folder: Path,
    stopped: Callable[[], bool],
) -> bool:
    """Tell voice, genres and moods of the tracks of which they are not told yet.

    Nothing is told while the library is too small to measure labels on, nor where an encoder is at
    hand that can tell by itself.

    Args:
        library: All its tracks are written.
        encoders: By space.
        manifest: Used in this thread only.
        committer: Likewise.
        folder: Where what was measured is kept, beside the manifest.
        stopped: Asked whether to end early.

    Returns:
        Whether it came to its end.

    Raises:
        StoreError: What was measured cannot be read or written, or the library went away.
    """
    if listener(encoders.values()) is not None or not isinstance(library, VectorReader):
        return True
    library = cast(Library, library)
    if not taggers(library.info(), encoders):
        return True
    path = tagging_path(folder, library.info().id, NAME)
    try:
        tagging = _measured(library, encoders, path, stopped)
    except StoppedError:
        return False
    except PreconditionError as error:
        if error.reason != "TOO_FEW_TRACKS":
            raise
        return True
    library.declare((), FIELDS)
    version, after, tagger = Heard(tagging.revision).version, "", Tagger(tagging)
    while ids := manifest.undescribed(NAME, version, unless=Heard.name, after=after, limit=_PAGE):
        records = library.read_page(TrackIds(tuple(ids)), limit=_PAGE).records
        scores = tagger.scores([record.vectors for record in records]).tolist()
        changes = []
        for record, row in zip(records, scores, strict=True):
            # Without a vector in any of the spaces it will be told once it has one.
            if not math.isnan(row[0]):
                described = Described(
                    versions={NAME: version},
                    fields=frozenset(field.name for field in FIELDS),
                    names=frozenset(),
                    scalars=facts(tagging, row),
                    series=(),
                )
                changes.append(Put(manifest.files_of(record.id)[0], described=described))
        committer.apply(changes)
        after = ids[-1]
        if stopped():
            return False
    return True


def facts(tagging: Tagging, scores: Sequence[float]) -> dict[str, PayloadValue]:
    """The fields of a track with these scores, one a label; what is not sure is absent."""
    groups: dict[str, dict[str, float]] = {"voice": {}, "genre": {}, "mood": {}}
    for place, (label, score) in enumerate(zip(tagging.labels, scores, strict=True)):
        shares = [held.fits[place].share for held in tagging.spaces.values()]
        if score >= SURE and all(share is not None and share <= SMALL for share in shares):
            groups[label.group][label.name] = score
    voices = [(_VOICES[name], score) for name, score in groups["voice"].items()]
    return payload(voices[0] if len(voices) == 1 else None, groups["genre"], groups["mood"])


def _measured(
    library: Library, encoders: Mapping[str, Encoder], path: Path, stopped: Callable[[], bool]
) -> Tagging:
    """The labels as they were measured, or are now: the first time, or once there is much more."""
    before = load_tagging(path)
    known = before.spaces.values() if before is not None else ()
    tracks = max((fit.tracks for held in known for fit in held.fits), default=0)
    grown = 0 < tracks < SAMPLE and library.count_tracks() >= _GROWN * tracks
    names = tuple(one.space.name for one in taggers(library.info(), encoders))
    wish = Wish(standard_labels(), names, SURE, recalibrate=grown)
    tagging = settle(wish, before, library, encoders, unless(stopped))
    if before is None or tagging.revision != before.revision:
        save_tagging(path, tagging)
    return tagging
