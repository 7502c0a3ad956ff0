"""What is trained on, in memory: clips, the music that was chosen for them, and their labels."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from indexer.learning.clip_reader import ClipReader
from indexer.learning.clips import Clip
from indexer.learning.csv_rows import PairRow, Row, bad, read_rows
from indexer.learning.music import Music, MusicSource
from indexer.learning.table_music import table_music
from retrieval.core.errors import VideoError
from retrieval.core.video import VIDEO_DIMS, Source, VideoFeatures
from retrieval.video.features import FEATURE_SET


@dataclass(frozen=True, slots=True, eq=False)
class Clips:
    """Clips and where they are from.

    Attributes:
        names: Of the videos, each once.
        sources: What each is part of.
        features: What is known of each.
        splits: The part that the table asks for, or None.
        labels: float64 (n, 11), NaN where there is none: what to learn of each clip.
        digest: Of all of it.
    """

    names: tuple[str, ...]
    sources: tuple[str, ...]
    features: tuple[VideoFeatures, ...]
    splits: tuple[str | None, ...]
    labels: NDArray[np.float64]
    digest: str

    @property
    def feature_set(self) -> str:
        """Of what is known of the clips."""
        return self.features[0].feature_set

    @property
    def frame_revision(self) -> str | None:
        """Which model embedded the frames, if any were."""
        return next((f.frames.revision for f in self.features if f.frames is not None), None)


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Clips and the music chosen for them.

    Attributes:
        clips: Each once; the dimensions of the table are what is known of them.
        tracks: Names of the music, each once.
        music: The same as numbers.
        rows: int64 (n, 2): places of a clip and of its track.
        emotions: A label of each row; empty if the table has none.
        splits: The part that the table asks for, of each row, or None.
        digest: Of all of it.
    """

    clips: Clips
    tracks: tuple[str, ...]
    music: Music
    rows: NDArray[np.int64]
    emotions: tuple[str, ...]
    splits: tuple[str | None, ...]
    digest: str


def read_clips(path: Path, reader: ClipReader) -> Clips:
    """Clips with labels, for ``segue train video-features``; rows without any are left out.

    Args:
        path: The table.
        reader: Of its clips.

    Raises:
        InvalidInputError: INVALID_METADATA; names the file, line and column.
    """
    rows = read_rows(path, Row)
    _once(path, rows)
    rows = [row for row in rows if any(value is not None for value in row.picture)]
    if not rows:
        raise bad(f"{path}: no row has a label; name its columns {', '.join(VIDEO_DIMS)}")
    bare = next((row for row in rows if row.clip is None), None)
    if bare is not None:
        raise bad(f"{path}, line {bare.line}, column 'clip': which file is the clip?")
    return _clips(path, rows, FEATURE_SET, reader, given=False)


def read_pairs(
    path: Path,
    reader: ClipReader,
    *,
    video_set: str | None,
    revision: str | None,
    space: tuple[str, str] | None = None,
    music: MusicSource | None = None,
) -> Pairs:
    """Pairs of a clip and its music, for ``segue train recommender``.

    Args:
        path: The table.
        reader: Of its clips.
        video_set: Feature set of its dimensions of pictures; None if it has none, which are then
            those measured of its clips.
        revision: Of the space that its dimensions of music are from; None if it has none, which
            are then those that ``music`` knows.
        space: Name and revision of the space that its embeddings are in; None to find them in the
            ``space.json`` of the export that they lie in.
        music: Knows the tracks that a table only names.

    Raises:
        InvalidInputError: INVALID_METADATA; names the file, line and column.
    """
    rows = read_rows(path, PairRow)
    given = any(value is not None for row in rows for value in row.picture)
    if given and video_set is None:
        raise bad(f"{path}: of which feature set are the dimensions of the picture? --video-set")
    if not given and video_set not in {None, FEATURE_SET}:
        raise bad(f"{path}: no dimension of a picture is given; leave --video-set out")
    heard = _tracks(path, rows)
    known = table_music(path, heard, revision, space, music)
    clips = _clips(path, _firsts(path, rows), video_set or FEATURE_SET, reader, given=given)
    seen = {name: place for place, name in enumerate(clips.names)}
    tracks = {row.track: place for place, row in enumerate(heard)}
    pairs = {(seen[row.video], tracks[row.track]): row for row in reversed(rows)}
    order = sorted(pairs, key=lambda pair: pairs[pair].line)
    kept = [pairs[pair] for pair in order]
    told = [row.emotion for row in kept if row.emotion is not None]
    if told and len(told) < len(kept):
        bare = next(row for row in kept if row.emotion is None)
        raise bad(f"{path}, line {bare.line}, column 'emotion': label all rows or none")
    digest = hashlib.blake2b(clips.digest.encode(), digest_size=16)
    digest.update(repr([row.model_dump(exclude={"line"}) for row in kept]).encode())
    digest.update(repr((known.revision, known.space)).encode() + known.sound.tobytes())
    digest.update(b"-" if known.embeddings is None else known.embeddings.tobytes())
    return Pairs(
        clips=clips,
        tracks=tuple(tracks),
        music=known,
        rows=np.array(order, dtype=np.int64).reshape(-1, 2),
        emotions=tuple(told),
        splits=tuple(row.split for row in kept),
        digest=digest.hexdigest(),
    )


def _tracks(path: Path, rows: Sequence[PairRow]) -> list[PairRow]:
    """The first row of each track, if the others agree with it."""
    heard: dict[str, PairRow] = {}
    for row in rows:
        first = heard.setdefault(row.track, row)
        for what in ("sound", "embedding"):
            if getattr(first, what) != getattr(row, what):
                raise bad(
                    f"{path}, line {row.line}: track {row.track!r} has other values in line "
                    f"{first.line} ({what}); a track is the same in all its rows"
                )
    return list(heard.values())


def _clips(
    path: Path, rows: Sequence[Row], feature_set: str, reader: ClipReader, *, given: bool
) -> Clips:
    features = []
    for done, row in enumerate(rows):
        reader.tell(done, len(rows))
        features.append(_features(path, row, feature_set, reader, given=given))
    _one_kind(path, rows, features)
    digest = hashlib.blake2b(feature_set.encode(), digest_size=16)
    for row, one in zip(rows, features, strict=True):
        digest.update(repr((row.video, row.source, row.picture, one.values)).encode())
        for part in (one.series, one.frames):
            digest.update(b"-" if part is None else part.values.tobytes())
    return Clips(
        names=tuple(row.video for row in rows),
        sources=tuple(row.source or row.video for row in rows),
        features=tuple(features),
        splits=tuple(row.split for row in rows),
        labels=np.array([row.picture for row in rows], dtype=np.float64),
        digest=digest.hexdigest(),
    )


def _features(
    path: Path, row: Row, feature_set: str, reader: ClipReader, *, given: bool
) -> VideoFeatures:
    clip = Clip(None, None, None)
    if row.clip is not None:
        try:
            clip = reader.read(path.parent / row.clip, row.clip)
        except (ValueError, OSError) as error:
            why = (error.strerror if isinstance(error, OSError) else None) or error
            raise bad(f"{path}, line {row.line}, column 'clip': {row.clip}: {why}") from error
        except VideoError as error:
            raise bad(f"{path}, line {row.line}, column 'clip': {error.message}") from error
    values: Sequence[float | None] = [None] * len(VIDEO_DIMS)
    if given:
        values = row.picture
    elif clip.values is not None:
        values = [None if np.isnan(value) else float(value) for value in clip.values]
    source = Source.GIVEN if given else Source.SIGNAL
    features = VideoFeatures(
        values=tuple(0.0 if value is None else value for value in values),
        sources=tuple(Source.UNAVAILABLE if value is None else source for value in values),
        feature_set=feature_set,
        series=clip.series,
    )
    return replace(features, frames=clip.frames)


def _one_kind(path: Path, rows: Sequence[Row], features: Sequence[VideoFeatures]) -> None:
    """Embeddings of two models, or of two lengths, cannot be learned from together."""
    first: tuple[str, int] | None = None
    for row, one in zip(rows, features, strict=True):
        if one.frames is None:
            continue
        kind = (one.frames.revision, one.frames.values.shape[1])
        first = first or kind
        if kind != first:
            raise bad(
                f"{path}, line {row.line}, column 'clip': frames by {kind[0]} ({kind[1]} values), "
                f"where those of other clips are by {first[0]} ({first[1]} values)"
            )


def _firsts(path: Path, rows: Sequence[PairRow]) -> list[PairRow]:
    """The first row of each video, if the others agree with it."""
    firsts: dict[str, PairRow] = {}
    for row in rows:
        first = firsts.setdefault(row.video, row)
        for what in ("picture", "source", "clip"):
            if getattr(first, what) != getattr(row, what):
                raise bad(
                    f"{path}, line {row.line}: video {row.video!r} has other values in line "
                    f"{first.line} ({what}); a video is the same in all its rows"
                )
    return list(firsts.values())


def _once(path: Path, rows: Sequence[Row]) -> None:
    lines: dict[str, int] = {}
    for row in rows:
        first = lines.setdefault(row.video, row.line)
        if first != row.line:
            raise bad(
                f"{path}, line {row.line}, column 'video': {row.video!r} has line {first} already"
            )
