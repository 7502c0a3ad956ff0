"""A clip as arrays: what a ``.npz`` file keeps of it, for training and for a closer look."""

from __future__ import annotations

from typing import Any

import numpy as np

from retrieval.core.video import Source, VideoFeatures


def as_arrays(features: VideoFeatures) -> dict[str, Any]:
    """What is known of a clip by the keys that ``indexer.learning.clips`` reads, and ``cuts``.

    ``values`` has NaN where a dimension is not known; what was never seen is absent.
    """
    known = [source is not Source.UNAVAILABLE for source in features.sources]
    parts: dict[str, Any] = {"values": np.where(known, features.values, np.nan)}
    if features.series is not None:
        parts |= {"series": features.series.values, "cuts": features.series.cuts}
    if features.frames is not None:
        parts |= {"frames": features.frames.values, "frame_model": features.frames.revision}
    return parts
