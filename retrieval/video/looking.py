"""All that this machine can tell of a clip: what the picture says, and what an image model does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from retrieval.core.video import VideoFeatures
from retrieval.settings import Settings
from retrieval.video.clips import ClipDecoder
from retrieval.video.frame_model import FrameModel
from retrieval.video.limits import VideoLimits
from retrieval.video.measuring import Progress, measure


def load_frame_model(settings: Settings) -> FrameModel | None:
    """The image model that the settings name, not loaded yet; None if they name none."""
    if settings.video_frames is None:
        return None
    return FrameModel(settings.video_frames, settings.device)


def look(
    source: Path | bytes,
    decoder: ClipDecoder,
    frames: FrameModel | None,
    limits: VideoLimits | None = None,
    *,
    name: str | None = None,
    progress: Progress | None = None,
) -> VideoFeatures:
    """Measure a clip, and embed a frame per second of it.

    Args:
        source: A path, or a whole file.
        decoder: Decodes it apart from this process, twice if frames are embedded.
        frames: The image model; None embeds nothing.
        limits: What to accept.
        name: What errors call it.
        progress: Called about once per second of the clip; what it raises ends the work.

    Raises:
        VideoError: As ``measure`` does.
        PreconditionError: MODEL_MISSING or MODEL_INVALID if there is no such image model.
    """
    features = measure(source, decoder, limits, name=name, progress=progress)
    if frames is None:
        return features

    def check() -> None:
        if progress is not None:
            progress(features.duration or 0.0, features.duration)

    seen = frames.look(source, decoder, limits, name=name, check=check)
    return replace(features, frames=seen)
