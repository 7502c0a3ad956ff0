"""Step 4: which of six emotions each frame is nearest to, by CLIP."""

from __future__ import annotations

from collections.abc import Mapping

from indexer.dataset.clip_model import ClipModel
from indexer.dataset.graph import Work
from indexer.formats import emotion


class Emotion:
    """Probabilities of ``formats.emotion.EMOTIONS``: T × 6, a softmax over the words."""

    name = "emotion"
    version = 1
    extension = ".lab"
    needs: tuple[str, ...] = ("frames",)
    uses: tuple[str, ...] = ()

    def __init__(self, model: ClipModel) -> None:
        self._model = model

    def parameters(self) -> Mapping[str, object]:
        """See ``Step``."""
        return {"model": self._model.digest(), "words": emotion.EMOTIONS}

    def run(self, work: Work) -> None:
        """See ``Step``."""
        rows = self._model.embed(work.inputs["frames"], work.check)
        work.target.write_text(emotion.to_text(self._model.likeness(rows, emotion.EMOTIONS)))
