"""What is remembered of files and tracks, and the payload that follows from it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from indexer.scan import printable
from indexer.tags import path_fields
from retrieval.core.payload import MAX_VALUES, Payload, PayloadValue
from retrieval.describe.settle import settle


@dataclass(frozen=True, slots=True)
class FileRow:
    """One file whose recording is in the library.

    Attributes:
        path: Absolute path.
        root: The outermost folder it was indexed under.
        size: Bytes.
        mtime_ns: Time of the last change, nanoseconds since 1970.
        stream_digest: Digest of the compressed sound; the same under any tags. None if there is
            none for this kind of file.
        track_id: The recording in it.
        format: Container.
        tags: Payload fields from its tags.
        tags_revision: ``indexer.tags.REVISION`` that read them.
        sidecar: Payload fields from the metadata sidecar.
        missing: The file was gone when its place was last looked at.
    """

    path: str
    root: str
    size: int
    mtime_ns: int
    stream_digest: str | None
    track_id: str
    format: str
    tags: Payload
    tags_revision: int
    sidecar: Payload = field(default_factory=dict)
    missing: bool = False


@dataclass(frozen=True, slots=True)
class TrackRow:
    """One recording that the library holds.

    Attributes:
        track_id: Identity by sound.
        computed: Payload fields that follow from the sound.
        indexed_at: When it was first written, RFC 3339.
        payload_digest: Digest of the payload the library holds.
        spaces: Revision by space, of every space it was encoded in.
        described: Version by descriptor, of every one it was described by.
    """

    track_id: str
    computed: Payload
    indexed_at: str
    payload_digest: str = ""
    spaces: Mapping[str, str] = field(default_factory=dict)
    described: Mapping[str, int] = field(default_factory=dict)


def compose(track: TrackRow, files: Sequence[FileRow]) -> dict[str, PayloadValue]:
    """The payload of a track with one or more files; the same whatever order they came in.

    The first path in sorted order, among those that are still there, gives tags, folder and format.
    Sidecar values win over tags and come from the first path that has some. Tempo and key are those
    that a person gave there, else those that were measured.
    """
    ordered = sorted(files, key=lambda row: (row.missing, row.path))
    first = ordered[0]
    payload = path_fields(printable(first.path), printable(first.root))
    payload.update(first.tags)
    payload.update(next((row.sidecar for row in ordered if row.sidecar), {}))
    payload.update(track.computed)
    settle(payload)
    payload["format"] = first.format
    payload["paths"] = tuple(printable(row.path) for row in ordered[:MAX_VALUES])
    payload["indexed_at"] = track.indexed_at
    return payload


def payload_digest(payload: Payload) -> str:
    """32 hexadecimal digits that change exactly when the payload does."""
    return hashlib.blake2b(dump(payload).encode(), digest_size=16).hexdigest()


def dump(payload: Payload) -> str:
    """A payload as JSON, keys sorted."""
    return json.dumps(payload, sort_keys=True, separators=(",", ":"))


def parse(text: str) -> dict[str, PayloadValue]:
    """A payload from ``dump``."""
    return {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in json.loads(text).items()
    }
