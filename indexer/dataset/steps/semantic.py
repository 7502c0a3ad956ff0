"""Step 3: what each frame shows, by CLIP."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from indexer.dataset.clip_model import ClipModel
from indexer.dataset.graph import Work
from indexer.formats import frames


class Semantic:
    """CLIP's vector of each frame as it is, not normalised: T × 768."""

    name = "semantic"
    version = 1
    extension = ".npy"
    needs: tuple[str, ...] = ("frames",)
    uses: tuple[str, ...] = ()

    def __init__(self, weights: Path, device: str) -> None:
        self.model = ClipModel(weights, device)

    def parameters(self) -> Mapping[str, object]:
        """See ``Step``."""
        return {"model": self.model.digest()}

    def run(self, work: Work) -> None:
        """See ``Step``."""
        rows = self.model.embed(work.inputs["frames"], work.check)
        work.target.write_bytes(frames.to_bytes(rows))
