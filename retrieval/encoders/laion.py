"""The ``laion-clap`` package as an encoder: the reference that ``clap`` is measured by."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from retrieval.core.spaces import DenseVector, Distance, EmbeddingSpace, Level, Modality
from retrieval.encoders import clap_windows
from retrieval.encoders.clap_windows import COLLAPSED, LONGEST_TEXT, mean_direction
from retrieval.encoders.model_encoder import ModelEncoder, clean_text
from retrieval.settings import Settings

if TYPE_CHECKING:
    from retrieval.encoders.laion_package import LaionModel

_METHOD = "segue-laion-clap-1"
"""Raise the number with any change that moves a vector."""


class LaionClapEncoder(ModelEncoder["LaionModel"]):
    """The ``laion-clap`` space: 512 dimensions of length 1, from windows as ``clap`` cuts them.

    Slower than ``clap``, which gives the same vectors, and for whoever must run the original.
    """

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
            weights: A ``.pt`` of LAION's, or a folder with one, and ``tokenizer.json`` beside it;
                by default what the settings say for ``clap``.
            device: As ``choose_device``; by default that of the settings.
            sha256: The digest the ``.pt`` must have; by default that of the settings.
            graphs: Folder of what is known of models; by default that of the settings.

        Raises:
            PreconditionError: MODEL_MISSING or MODEL_INVALID, with the file and the fix.
            ImportError: If the ``laion`` extra is not installed.
        """
        settings = Settings()
        super().__init__(
            weights or settings.clap_weights or settings.data_dir / "models" / "clap",
            device=device or settings.device,
            sha256=sha256 or settings.clap_sha256,
            graphs=graphs or settings.graphs_dir,
        )

    def prepare_audio(self, window: NDArray[np.float32]) -> NDArray[np.float32]:
        """At most 10 s of a window; the package does the rest. Needs no weights."""
        # A copy, since the window may lie in a buffer that moves on.
        return np.array(window[: clap_windows.SAMPLES], dtype=np.float32)

    def forward_audio(self, batch: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Vectors of length 1, shape (len(batch), dim)."""
        return self._ready().hear(batch)

    def pool(self, vectors: NDArray[np.float32], durations: NDArray[np.float64]) -> DenseVector:
        """The mean direction of the windows, each by its length, of length 1."""
        return mean_direction(vectors, durations)

    def prepare_text(self, text: str) -> str:
        """The text; the package tokenises it, and hears 77 tokens.

        Raises:
            InvalidInputError: If there is nothing but white space.
        """
        return clean_text(text)

    def forward_text(self, batch: Sequence[str]) -> list[DenseVector]:
        """One vector (dim,) of length 1 per text, in order."""
        return list(self._ready().read(batch))

    def _load(self) -> tuple[EmbeddingSpace, LaionModel]:
        from retrieval.encoders.checkpoints import digest_tensors
        from retrieval.encoders.clap_files import load_checkpoint
        from retrieval.encoders.device import batch_size, choose_compute
        from retrieval.encoders.laion_package import LaionModel, package_version
        from retrieval.encoders.proofs import Proofs
        from retrieval.encoders.text_checks import check_texts, load_tokenizer

        package = package_version()  # Before gigabytes are read in vain.
        files = load_checkpoint(self._source, sha256=self._sha256)
        compute = choose_compute(self._device, self._graphs)
        device = compute.device
        rows = int(files.arguments["text_config"]["vocab_size"])
        model = LaionModel(
            files.path,
            files.state,
            files.arguments,
            load_tokenizer(files.tokenizer, rows=rows, longest=LONGEST_TEXT),
            device=device,
            windows=batch_size(compute.kind, cpu=1, accelerated=32),
            texts=batch_size(compute.kind, cpu=16, accelerated=64),
        )
        method = (
            _METHOD,
            package,
            self.sample_rate,
            self.windowing,
            hashlib.sha256(files.tokenizer.read_bytes()).hexdigest(),
            digest_tensors(files.state),
        )
        digest = hashlib.sha256(repr(method).encode()).hexdigest()
        space = EmbeddingSpace(
            name="laion-clap",
            dim=model.dim,
            distance=Distance.COSINE,
            revision=f"laion-clap-{digest[:16]}",
            query_modalities=frozenset({Modality.TEXT, Modality.AUDIO}),
            levels=frozenset({Level.TRACK, Level.SEGMENT}),
        )
        check_texts(
            files.path,
            model.read,
            vocabulary=rows,
            limit=COLLAPSED,
            identity=space.revision,
            proofs=Proofs(compute.graphs),
        )
        return space, model
