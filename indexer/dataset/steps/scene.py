"""Step 5: which shot each second belongs to, and how far into it that second is."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from indexer.dataset.clips import SECONDS, watching
from indexer.dataset.graph import Work
from indexer.formats import scenes
from retrieval.video.clips import ClipDecoder
from retrieval.video.colour import brightness
from retrieval.video.cuts import CutFinder
from retrieval.video.features import FEATURE_SET
from retrieval.video.measuring import SAMPLING


class Scene:
    """T ids from 0 on and T offsets in seconds from the start of the shot, at whole seconds.

    The cuts are those that ``segue score`` finds.
    """

    name = "scene"
    version = 1
    extension = ".lab"
    needs: tuple[str, ...] = ()
    uses: tuple[str, ...] = ()

    def __init__(self, decoder: ClipDecoder) -> None:
        self._decoder = decoder

    def parameters(self) -> Mapping[str, object]:
        """See ``Step``."""
        return {"features": FEATURE_SET, "seconds": SECONDS}

    def run(self, work: Work) -> None:
        """See ``Step``."""
        finder = CutFinder()
        with watching(self._decoder, work.source, SAMPLING, work.name) as watch:
            for frame in watch.frames():
                work.check()
                finder.show(frame.time, frame.pixels, brightness(frame.pixels))
            moments = np.arange(watch.rows, dtype=np.float64)
        starts = np.concatenate([[0.0], finder.cuts()])
        ids = np.searchsorted(starts, moments + 1e-6, side="right") - 1
        offsets = np.maximum(0.0, moments - starts[ids])
        text = scenes.to_text(ids.astype(np.int32), offsets.astype(np.float32))
        work.target.write_text(text)
