"""Where in a track the music for a clip begins."""

from __future__ import annotations

from retrieval.api.checks import all_finite, finite, join
from retrieval.api.v1 import video_pb2
from retrieval.api.vectors import decode_span
from retrieval.core.cue import Cue

_NUMBERS = {
    "start": "start_seconds",
    "end": "end_seconds",
    "anchor": "anchor_seconds",
    "meets": "meets_seconds",
    "accents": "accents",
    "motion": "motion",
    "borders": "borders",
    "score": "score",
    "stretch": "stretch",
}


def encode_cue(cue: Cue, message: video_pb2.Cue) -> None:
    """Write a cue into an empty message."""
    for name, field in _NUMBERS.items():
        setattr(message, field, getattr(cue, name))
    message.cut_offsets.extend(cue.offsets)
    message.cuts_on_beat = cue.on_beat
    for span in cue.plan:
        message.plan.add(start_seconds=span.start, end_seconds=span.end)


def decode_cue(message: video_pb2.Cue, where: str) -> Cue:
    """A cue from the wire.

    Raises:
        InvalidInputError: If any part of it is malformed.
    """
    return Cue(
        **{
            name: finite(getattr(message, field), join(where, field))
            for name, field in _NUMBERS.items()
        },
        offsets=all_finite(message.cut_offsets, join(where, "cut_offsets")),
        plan=tuple([decode_span(span, join(where, "plan")) for span in message.plan]),
    )
