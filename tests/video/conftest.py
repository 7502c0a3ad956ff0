"""A decoder for all tests of pictures, and what it made of a few clips."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import pytest

from retrieval.core.video import VideoFeatures
from retrieval.video.clips import ClipDecoder
from retrieval.video.measuring import measure
from tests.video.clips import Shot, clip


@pytest.fixture(scope="package")
def decoder() -> Iterator[ClipDecoder]:
    with ClipDecoder(timeout=60.0) as decoder:
        yield decoder


@pytest.fixture(scope="package")
def watch(decoder: ClipDecoder) -> Callable[..., VideoFeatures]:
    """Features of a clip of these shots."""

    def measured(shots: Sequence[Shot], **how: object) -> VideoFeatures:
        return measure(clip(shots, **how), decoder)  # type: ignore[arg-type]

    return measured
