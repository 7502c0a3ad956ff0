"""Step 2: how much of the picture changes, second by second."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from indexer.dataset.clips import SECONDS, watching
from indexer.dataset.graph import Work
from indexer.formats import seconds
from retrieval.video.clips import ClipDecoder
from retrieval.video.limits import Sampling

_SAMPLING = Sampling(rate=30.0, short_side=90)


class Motion:
    """Mean absolute difference of a frame and the one before, 8-bit RGB, T × 1, 0 to 255.

    Of at most 30 frames per second, 90 pixels high; the first second's first frame counts as 0, and
    a second without a frame of its own as no motion.
    """

    name = "motion"
    version = 1
    extension = ".lab"
    needs: tuple[str, ...] = ()
    uses: tuple[str, ...] = ()

    def __init__(self, decoder: ClipDecoder) -> None:
        self._decoder = decoder

    def parameters(self) -> Mapping[str, object]:
        """See ``Step``."""
        return {"rate": _SAMPLING.rate, "short_side": _SAMPLING.short_side, "seconds": SECONDS}

    def run(self, work: Work) -> None:
        """See ``Step``."""
        total, count = np.zeros(SECONDS), np.zeros(SECONDS)
        before = None
        with watching(self._decoder, work.source, _SAMPLING, work.name) as watch:
            for frame in watch.frames():
                work.check()
                now = frame.pixels.astype(np.int16)
                if before is not None and before.shape == now.shape:
                    total[int(frame.time)] += np.abs(now - before).mean()
                    count[int(frame.time)] += 1
                before = now
            means = total[: watch.rows] / np.maximum(count[: watch.rows], 1)
        work.target.write_text(seconds.to_text(means.astype(np.float32)))
