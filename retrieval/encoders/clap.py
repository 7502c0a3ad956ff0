"""CLAP: English descriptions and sound in one space (LAION-AI/CLAP; Wu et al. 2023)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from retrieval.core.spaces import DenseVector, Distance, EmbeddingSpace, Level, Modality
from retrieval.encoders import clap_windows
from retrieval.encoders.clap_windows import COLLAPSED, LONGEST_TEXT, mean_direction, to_int16
from retrieval.encoders.model_encoder import ModelEncoder, clean_text
from retrieval.settings import Settings

if TYPE_CHECKING:
    from retrieval.encoders.clap_files import ClapFacts
    from retrieval.encoders.clap_modules import ClapModules
    from retrieval.encoders.clap_towers import ClapTowers
    from retrieval.encoders.text_checks import LazyTokenizer

_METHOD = "segue-clap-2"
"""Raise the number with any change that moves a vector."""
_CODE = tuple(
    f"retrieval.encoders.{name}"
    for name in ("checkpoints", "clap_files", "clap_laion", "clap_modules", "text_checks")
)
"""What finds out the facts of weights."""


@dataclass(frozen=True, slots=True, eq=False)
class ClapModel:
    """The two towers and the tokenizer."""

    towers: ClapTowers
    tokenizer: LazyTokenizer


class ClapEncoder(ModelEncoder[ClapModel]):
    """The ``clap`` space: 512 dimensions of length 1; a track is the mean over its windows."""

    sample_rate = clap_windows.SAMPLE_RATE
    windowing = clap_windows.WINDOWING

    def __init__(
        self,
        weights: str | Path | None = None,
        *,
        device: str | None = None,
        sha256: str | None = None,
        graphs: Path | None = None,
    ) -> None:
        """Load the model.

        Args:
            weights: As ``clap_files.load_weights``; by default what the settings say, or
                ``models/clap`` in the data folder.
            device: As ``choose_device``; by default that of the settings.
            sha256: The digest the file of weights must have; by default that of the settings.
            graphs: Folder of what is known of models; by default that of the settings.

        Raises:
            PreconditionError: MODEL_MISSING or MODEL_INVALID, with the file and the fix.
            ImportError: If the ``models`` extra is not installed.
        """
        settings = Settings()
        super().__init__(
            weights or settings.clap_weights or settings.data_dir / "models" / "clap",
            device=device or settings.device,
            sha256=sha256 or settings.clap_sha256,
            graphs=graphs or settings.graphs_dir,
        )

    def prepare_audio(self, window: NDArray[np.float32]) -> NDArray[np.int16]:
        """One window of at most 10 s in 16 bits; needs no weights."""
        return to_int16(window)

    def forward_audio(self, batch: Sequence[NDArray[np.int16]]) -> NDArray[np.float32]:
        """Vectors of length 1, shape (len(batch), dim)."""
        return self._ready().towers.hear(batch)

    def pool(self, vectors: NDArray[np.float32], durations: NDArray[np.float64]) -> DenseVector:
        """The mean direction of the windows, each by its length, of length 1."""
        return mean_direction(vectors, durations)

    def prepare_text(self, text: str) -> NDArray[np.int64]:
        """Token ids, shape (n,), n <= 77; what goes beyond is not heard, as in training.

        Raises:
            InvalidInputError: If there is nothing but white space.
        """
        return self._ready().tokenizer.ids(clean_text(text))

    def forward_text(self, batch: Sequence[NDArray[np.int64]]) -> list[DenseVector]:
        """One vector (dim,) of length 1 per prepared text, in order."""
        return list(self._ready().towers.read(batch))

    def _load(self) -> tuple[EmbeddingSpace, ClapModel]:
        from retrieval.encoders.clap_files import ClapFacts, locate, read_weights
        from retrieval.encoders.clap_towers import ClapTowers
        from retrieval.encoders.device import choose_compute
        from retrieval.encoders.proofs import Proofs
        from retrieval.encoders.text_checks import LazyTokenizer, check_texts
        from retrieval.encoders.weights_memo import LazyWeights, Memo

        compute = choose_compute(self._device, self._graphs)
        files = locate(self._source)

        def read() -> tuple[ClapFacts, ClapModules]:
            from retrieval.encoders.clap_modules import ClapModules

            weights = read_weights(files, sha256=self._sha256)
            return weights.facts(), ClapModules(weights)

        memo = Memo(compute.graphs, ClapFacts, files.all(), _CODE)
        weights = LazyWeights(memo, read, sha256=self._sha256, path=files.tensors)
        facts = weights.facts
        towers = ClapTowers(weights, compute)
        tokenizer = LazyTokenizer(files.tokenizer, rows=facts.vocabulary, longest=LONGEST_TEXT)
        if not weights.recalled:
            tokenizer.load()
        space = _space(facts)
        check_texts(
            files.tensors,
            lambda texts: towers.read([tokenizer.ids(one) for one in texts]),
            vocabulary=facts.vocabulary,
            limit=COLLAPSED,
            identity=space.revision,
            proofs=Proofs(compute.graphs),
        )
        weights.found_sound()
        return space, ClapModel(towers, tokenizer)


def _space(facts: ClapFacts) -> EmbeddingSpace:
    method = (
        _METHOD,
        ClapEncoder.sample_rate,
        ClapEncoder.windowing,
        LONGEST_TEXT,
        facts.words,
        facts.digest,
    )
    digest = hashlib.sha256(repr(method).encode()).hexdigest()
    return EmbeddingSpace(
        name="clap",
        dim=facts.dim,
        distance=Distance.COSINE,
        revision=f"clap-{digest[:16]}",
        query_modalities=frozenset({Modality.TEXT, Modality.AUDIO}),
        levels=frozenset({Level.TRACK, Level.SEGMENT}),
    )
