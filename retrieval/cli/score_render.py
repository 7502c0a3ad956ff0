"""``segue score --render``: the clip with a hit as its sound."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from retrieval.cli.output import title_of
from retrieval.cli.score_report import timecode
from retrieval.core.errors import InvalidInputError, NotFoundError
from retrieval.core.filters import All, Filter, Range
from retrieval.core.tracks import Span

if TYPE_CHECKING:
    from retrieval.core.queries import Hit, SearchResponse
    from retrieval.core.video import VideoFeatures


def as_long(condition: Filter | None, features: VideoFeatures) -> Filter | None:
    """The filter, and that a track is as long as a clip, or longer."""
    if features.duration is None:
        return condition
    longer = Range("duration", gte=features.duration)
    return longer if condition is None else All((condition, longer))


def render_hit(
    response: SearchResponse, number: int, clip: Path, target: Path, *, force: bool
) -> str:
    """Write a clip with one of the hits as its sound; returns the path written.

    Raises:
        InvalidInputError: If there are fewer hits, and as ``retrieval.video.rendering.render``.
        NotFoundError: If the track lies nowhere on this machine.
    """
    from retrieval.video.rendering import render

    if number > len(response.hits):
        raise InvalidInputError(
            f"--hit {number}: there are {len(response.hits)} hits, nothing was written"
        )
    hit = response.hits[number - 1]
    music = next((path for path in map(Path, hit.track.paths) if path.is_file()), None)
    if music is None:
        where = ", ".join(hit.track.paths) or "no path is known"
        raise NotFoundError(
            f"--render: {title_of(hit.track)!r} cannot be read on this machine: {where}; run it "
            "where the music is",
            metadata={"track": hit.track.id},
        )
    render(clip, music, _plan(hit, response), target, force=force)
    return str(target)


def told_of(response: SearchResponse, number: int) -> str:
    """One line about what was written."""
    hit = response.hits[number - 1]
    start = _plan(hit, response)[0].start
    unfitted = "" if hit.cue is not None else " (no cuts, or no beats known: not fitted)"
    return f"{title_of(hit.track)} from {timecode(start)} on{unfitted}"


def _plan(hit: Hit, response: SearchResponse) -> tuple[Span, ...]:
    """That of the cue; without one the track from its start, over again as often as it takes."""
    if hit.cue is not None:
        return hit.cue.plan
    from retrieval.search.course import repeated

    features = response.videos[0].features
    seconds = 0.0 if features is None or features.duration is None else features.duration
    lasts = hit.track.payload.get("duration")
    whole = float(lasts) if isinstance(lasts, int | float) and lasts > 0 else seconds
    return repeated(Span(0.0, whole), 0.0, seconds)
