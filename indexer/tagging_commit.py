"""Writing tags to tracks that are there: the library first, then the manifest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from indexer.manifest import Manifest
from indexer.rows import compose, payload_digest
from indexer.tagging_scores import without_tags
from retrieval.core.library import LibraryWriter
from retrieval.core.payload import Field, Payload, PayloadValue
from retrieval.core.tracks import TrackRecord, TrackUpdate


def write_tags(
    library: LibraryWriter,
    manifest: Manifest,
    records: Sequence[TrackRecord],
    tags: Sequence[Payload],
    fields: Mapping[str, Field],
) -> int:
    """Replace the tags of tracks, durably, in one transaction.

    A track that the manifest knows is tagged there too, so that a rename or retag keeps its tags;
    one that it does not know (written from another machine) is only updated.

    Args:
        library: Where the tracks are.
        manifest: What is committed to it.
        records: As the library holds them; vectors are not looked at.
        tags: The new part of each one's payload; empty takes its tags away.
        fields: Declared fields by name.

    Returns:
        How many tracks of the library changed.
    """
    updates: list[TrackUpdate] = []
    with manifest.transaction():
        for record, new in zip(records, tags, strict=True):
            row = manifest.track(record.id)
            payload: Payload = {**_others(record.payload, fields), **new}
            if row is not None:
                row = replace(row, computed={**without_tags(row.computed), **new})
                files = manifest.files_of(record.id)
                payload = compose(row, files) if files else payload
                if files or row.payload_digest:
                    row = replace(row, payload_digest=payload_digest(payload))
                manifest.put_track(row)
            if payload != record.payload:
                updates.append(TrackUpdate(record.id, payload))
        if updates:
            library.update(updates)
            manifest.unoptimized = True
    return len(updates)


def _others(payload: Payload, fields: Mapping[str, Field]) -> dict[str, PayloadValue]:
    """The payload without tags; fields of the user's own that are called so stay."""
    kept = without_tags(payload)
    own = {n: v for n, v in payload.items() if n in fields and not fields[n].computed}
    return {name: payload[name] for name in payload if name in kept or name in own}
