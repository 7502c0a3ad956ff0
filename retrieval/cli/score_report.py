"""How ``segue score`` shows its answer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from retrieval.cli.output import (
    Column,
    clock,
    hit_json,
    note,
    path_of,
    print_table,
    text_of,
    title_of,
)

if TYPE_CHECKING:
    from retrieval.core.cue import Cue
    from retrieval.core.queries import Hit, SearchResponse
    from retrieval.core.video import VideoFeatures, VideoPrediction

_COLUMNS = (
    Column("#", "dim", right=True, people=True),
    Column("distance", "cyan", right=True),
    Column("title", "bold", least=16),
    Column("artist"),
    Column("in-point", "green", right=True),
    Column("cuts on a beat", right=True),
    Column("best moments", "green", least=12),
    Column("path", "dim", cut=True),
    Column("track", pipes=True),
)


def distance_of(hit: Hit) -> float | None:
    """The distance to the prediction; None if only other spaces found it."""
    return next((why.distance for why in hit.evidence if why.distance is not None), None)


def print_score(response: SearchResponse, *, first: int = 1) -> None:
    """An answer as a table, with what it was predicted from above it."""
    for video in response.videos:
        note(_told(video))
        if video.outside:
            note(f"far outside this library, perhaps in other units: {', '.join(video.outside)}")
    rows = []
    for rank, hit in enumerate(response.hits, start=first):
        distance = distance_of(hit)
        rows.append(
            (
                str(rank),
                "" if distance is None else f"{distance:.4f}",
                title_of(hit.track),
                text_of(hit.track, "artist"),
                "" if hit.cue is None else timecode(hit.cue.start),
                "" if hit.cue is None else f"{hit.cue.on_beat} of {len(hit.cue.offsets)}",
                ", ".join(f"{clock(s.span.start)}–{clock(s.span.end)}" for s in hit.segments),
                path_of(hit.track),
                hit.track.id,
            )
        )
    if not rows:
        note("nothing found")
        return
    more = "; more with a larger -k" if response.more else ""
    source = response.videos[0].source if response.videos else ""
    caption = f"{len(rows)} hits in {response.took_ms:.1f} ms, by {_label(source)}{more}"
    print_table(_COLUMNS, rows, caption=caption)


def score_json(response: SearchResponse) -> dict[str, Any]:
    """An answer as ``--json`` shows it."""
    videos = [_video_json(video) for video in response.videos]
    return {
        "hits": [
            {**hit_json(hit), "distance": distance_of(hit), "cue": _cue_json(hit.cue)}
            for hit in response.hits
        ],
        "video": videos[0] if videos else None,
        "took_ms": round(response.took_ms, 3),
    }


def write_series(path: Path, features: VideoFeatures) -> None:
    """Keep a clip second by second, as ``segue train`` reads it.

    Raises:
        InvalidInputError: If the file cannot be written.
    """
    import numpy as np

    from retrieval.core.errors import InvalidInputError
    from retrieval.video.kept import as_arrays

    try:
        with path.open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, **as_arrays(features))
    except OSError as error:
        raise InvalidInputError(f"{path}: cannot be written: {error.strerror or error}") from error


def timecode(seconds: float) -> str:
    """``m:ss.s``, or ``h:mm:ss.s`` from an hour on."""
    tenths = round(seconds * 10)
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    told = f"{minutes:02d}" if hours else str(minutes)
    return f"{f'{hours}:' if hours else ''}{told}:{rest // 10:02d}.{rest % 10}"


def _cue_json(cue: Cue | None) -> dict[str, Any] | None:
    if cue is None:
        return None
    return {
        "start": cue.start,
        "end": cue.end,
        "anchor": cue.anchor,
        "meets": cue.meets,
        "cuts_on_beat": cue.on_beat,
        "cut_offsets": list(cue.offsets),
        "score": cue.score,
        "accents": cue.accents,
        "motion": cue.motion,
        "borders": cue.borders,
        "plan": [{"start": span.start, "end": span.end} for span in cue.plan],
        "looped": cue.looped,
        "stretch": cue.stretch,
    }


def _told(video: VideoPrediction) -> str:
    features = video.features
    if features is None:
        return ""
    known = ", ".join(f"{name} {value:.4g}" for name, value in features.known().items())
    length = "" if features.duration is None else f" ({clock(features.duration)})"
    cuts = "" if features.series is None else f", {len(features.series.cuts)} cuts"
    partial = "; part of the file could not be read" if features.partial else ""
    return f"the clip{length}{cuts}: {known}{partial}"


def _label(source: str) -> str:
    return "the values given" if source == "given" else f"the {source}"


def _video_json(video: VideoPrediction) -> dict[str, Any]:
    from retrieval.encoders.perceptual_dims import DIMS

    return {
        "recommender": video.source,
        "prediction": dict(zip(DIMS, video.mean, strict=True)),
        "weights": dict(zip(DIMS, video.weights, strict=True)),
        "outside": list(video.outside),
        **(_features_json(video.features) if video.features is not None else {}),
    }


def _features_json(features: VideoFeatures) -> Mapping[str, Any]:
    from retrieval.core.video import VIDEO_DIMS, Source

    known = zip(VIDEO_DIMS, features.values, features.sources, strict=True)
    return {
        "feature_set": features.feature_set,
        "features": {
            name: {
                "value": None if source is Source.UNAVAILABLE else value,
                "source": source.value,
            }
            for name, value, source in known
        },
        "duration": features.duration,
        "partial": features.partial,
        "cuts": [] if features.series is None else features.series.cuts.tolist(),
    }
