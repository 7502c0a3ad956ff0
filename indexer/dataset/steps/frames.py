"""Step 1: one frame per second as JPEG: 000.jpg, 001.jpg, and so on."""

from __future__ import annotations

from collections.abc import Mapping

from indexer.dataset.clips import SECONDS, watching
from indexer.dataset.graph import Work
from indexer.dataset.images import to_jpeg
from retrieval.video.clips import ClipDecoder
from retrieval.video.limits import Sampling

SHORT_SIDE = 336
"""Pixels, as CLIP ViT-L/14@336 takes them."""
_TRIES = 4.0
"""Frames per second that are decoded: the one nearest to each whole second is kept."""


class Frames:
    """A folder of JPEG files, frame t being the first one shown from t seconds on."""

    name = "frames"
    version = 1
    extension = ""
    needs: tuple[str, ...] = ()
    uses: tuple[str, ...] = ()

    def __init__(self, decoder: ClipDecoder) -> None:
        self._decoder = decoder

    def parameters(self) -> Mapping[str, object]:
        """See ``Step``."""
        return {"short_side": SHORT_SIDE, "seconds": SECONDS}

    def run(self, work: Work) -> None:
        """See ``Step``."""
        work.target.mkdir()
        sampling = Sampling(rate=_TRIES, short_side=SHORT_SIDE)
        written = 0
        last = b""
        with watching(self._decoder, work.source, sampling, work.name) as watch:
            for frame in watch.frames():
                work.check()
                if frame.time + 1e-3 < written:
                    continue
                # A second without a frame of its own shows what stands still.
                while written + 1 <= frame.time:
                    written = _write(work, written, last)
                last = to_jpeg(frame.pixels)
                written = _write(work, written, last)
            while written < watch.rows:
                written = _write(work, written, last)


def _write(work: Work, number: int, data: bytes) -> int:
    (work.target / f"{number:03d}.jpg").write_bytes(data)
    return number + 1
