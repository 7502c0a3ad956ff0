"""The ear's weights: one file of the package, of which each tower reads its own part.

The tensors are named ``audio.…``, ``text.…``, ``calibration.…`` and ``cohort.…``; matrices are in
sixteen bits. Words and attributes are in the metadata. ``python -m indexer.training export`` writes
it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open

from retrieval.core.errors import PreconditionError
from retrieval.encoders.cohort import Cohort
from retrieval.encoders.ear_layers import Array

FILE = Path(__file__).with_name("ear.safetensors")
TABLES = frozenset({"words.weight", "pieces.weight"})
"""Of which a text needs a few rows only: left in sixteen bits."""


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """What makes probabilities of an attribute's logit: logistic of ``scale * logit + bias``.

    Attributes:
        scale: (attributes,).
        bias: (attributes,).
    """

    scale: Array
    bias: Array


class EarWeights:
    """The file, of which nothing but the header is read until it is asked for.

    Attributes:
        path: Where it is.
        digest: Of all that is in it.
        words: What the text tower has learnt, with their places, from 1 on.
        attributes: Names, in the order of the logits.
        meaning: Dimensions that text and sound share.
        identity: Dimensions that sound alone has.
    """

    def __init__(self, path: Path = FILE) -> None:
        """Read the header.

        Raises:
            PreconditionError: MODEL_INVALID if there is no such file, or something else in it.
        """
        self.path = path
        try:
            with safe_open(path, framework="np") as file:
                told = file.metadata() or {}
                self.digest = told["digest"]
                self.words = {w: n for n, w in enumerate(told["words"].split("\n"), start=1)}
                self.attributes = tuple(told["attributes"].split("\n"))
                self.meaning, self.identity = (
                    int(file.get_slice(f"audio.{name}.weight").get_shape()[0])
                    for name in ("meaning", "identity")
                )
        except (SafetensorError, OSError, KeyError, ValueError) as error:
            raise PreconditionError(
                f"{path}: not the ear's weights ({error}); install Segue again",
                reason="MODEL_INVALID",
                metadata={"file": str(path)},
            ) from error

    def audio(self) -> Mapping[str, Array]:
        """Weights of ``ear_towers.EarAudio``."""
        return self._part("audio.")

    def text(self) -> Mapping[str, Array]:
        """Weights of ``ear_towers.EarText``."""
        return self._part("text.")

    def calibration(self) -> Calibration:
        """Of the attributes."""
        return Calibration(**self._part("calibration."))

    def cohort(self) -> Cohort | None:
        """Sounds by whose meaning texts are judged, in dimensions of meaning."""
        part = self._part("cohort.")
        if not part:
            return None
        slope, offset, growth = (float(number) for number in part["curve"])
        return Cohort(part["vectors"], slope, offset, growth)

    def _part(self, prefix: str) -> dict[str, Array]:
        found: dict[str, Array] = {}
        with safe_open(self.path, framework="np") as file:
            for name in file.keys():  # noqa: SIM118 - no mapping
                if name.startswith(prefix):
                    value, short = file.get_tensor(name), name.removeprefix(prefix)
                    found[short] = value if short in TABLES else value.astype(np.float32)
        return found
