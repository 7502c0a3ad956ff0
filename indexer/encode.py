"""Vectors from prepared tracks, in batches across files, in the thread that owns the device."""

from __future__ import annotations

from collections.abc import Sequence

from indexer.commit import Encoded
from indexer.worker import Failed
from retrieval.core.errors import SegueError
from retrieval.core.payload import PayloadValue
from retrieval.encoders.audio_pass import EncodedTrack, PreparedTrack, forward_tracks
from retrieval.encoders.protocol import AudioEncoder, HasReference


def encode(
    batch: Sequence[tuple[PreparedTrack, tuple[str, ...]]], encoders: Sequence[AudioEncoder]
) -> list[Encoded | Failed]:
    """Encode prepared tracks together; one that fails is told from the others.

    Args:
        batch: Tracks and the spaces they were prepared for.
        encoders: At least those of these spaces.
    """
    try:
        tracks = forward_tracks([prepared for prepared, _ in batch], encoders)
    except Exception as error:
        if len(batch) > 1:
            return [result for one in batch for result in encode([one], encoders)]
        if isinstance(error, SegueError):
            return [Failed(error.reason, error.message)]
        return [Failed("ENCODING_FAILED", f"encoding broke down: {type(error).__name__}: {error}")]
    revisions = {encoder.space.name: encoder.space.revision for encoder in encoders}
    return [
        Encoded(track, _computed(prepared, track, encoders), {s: revisions[s] for s in spaces})
        for (prepared, spaces), track in zip(batch, tracks, strict=True)
    ]


def _computed(
    prepared: PreparedTrack, track: EncodedTrack, encoders: Sequence[AudioEncoder]
) -> dict[str, PayloadValue]:
    computed: dict[str, PayloadValue] = {
        "duration": round(prepared.duration, 3),
        "sample_rate": prepared.sample_rate,
        "channels": prepared.channels,
    }
    for encoder in encoders:
        vector = track.vectors.get(encoder.space.name)
        if vector is not None and isinstance(encoder, HasReference):
            computed.update(encoder.payload(vector))
    return computed
