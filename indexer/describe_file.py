"""All that can be told of one file, without a library."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from indexer.describing import Described, described
from indexer.encode import computed_fields
from indexer.hearing import Overhearing, with_listener
from indexer.tags import read_tags
from retrieval.audio import Limits, open_audio
from retrieval.core.payload import PayloadValue
from retrieval.describe.intake import Intake
from retrieval.describe.protocol import Descriptor, Sound
from retrieval.describe.settle import settle
from retrieval.encoders.audio_pass import forward_tracks, prepare_track
from retrieval.encoders.protocol import AudioEncoder


@dataclass(frozen=True, slots=True, eq=False)
class FileFacts:
    """What is known of one file.

    Attributes:
        track_id: Identity by sound.
        payload: As an index run would write it, less what only a library knows.
        described: Series among it, and what broke down.
        sound: As descriptors hear it.
    """

    track_id: str
    payload: dict[str, PayloadValue]
    described: Described
    sound: Sound


def describe_file(
    path: Path,
    descriptors: Sequence[Descriptor],
    encoders: Sequence[AudioEncoder] = (),
    *,
    limits: Limits,
) -> FileFacts:
    """Decode a file once, and tell what descriptors and encoders make of it.

    Voice, genres and moods are told if one of the encoders can (``HasAttributes``).

    Raises:
        AudioError: As ``open_audio`` and ``AudioReader.blocks`` do, and AUDIO_SILENT.
    """
    descriptors = with_listener(descriptors, encoders)
    overhearing = Overhearing(encoders, descriptors)
    with open_audio(path, limits) as reader:
        intake = Intake(reader.sample_rate, reader.channels)
        prepared = prepare_track(reader, overhearing.among(encoders), listener=intake)
    sound = intake.finish(overhearing.attributes())
    facts = described(sound, descriptors)
    (track,) = forward_tracks([prepared], encoders)
    payload = read_tags(path)
    payload.update(facts.applied(computed_fields(prepared, track, encoders)))
    payload["format"] = prepared.format
    settle(payload)
    return FileFacts(prepared.track_id, payload, facts, sound)
