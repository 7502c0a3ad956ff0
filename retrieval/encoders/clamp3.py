"""CLAMP3: words in a hundred languages, and sound, in one space.

The audio half is MERT-v1-95M, whose weights are CC-BY-NC-4.0: not for commercial use.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from retrieval.core.spaces import DenseVector, Distance, EmbeddingSpace, Level, Modality
from retrieval.core.tracks import Span
from retrieval.encoders import clamp3_intake
from retrieval.encoders.clamp3_intake import Clamp3Intake, MertWindow, segment_ranges
from retrieval.encoders.model_encoder import ModelEncoder, clean_text
from retrieval.encoders.protocol import PreparedWindow, TrackVectors
from retrieval.settings import Settings

if TYPE_CHECKING:
    from retrieval.encoders.clamp3_files import Clamp3Facts
    from retrieval.encoders.clamp3_modules import Clamp3Modules
    from retrieval.encoders.clamp3_towers import AudioTower, MertTower, TextTower
    from retrieval.encoders.text_checks import LazyTokenizer

_METHOD = "segue-clamp3-1"
"""Raise the number with any change that moves a vector."""
_SAME = 0.99
"""Cosine of two canaries that only a broken text path reaches."""
_CODE = tuple(
    f"retrieval.encoders.{name}"
    for name in ("checkpoints", "clamp3_files", "clamp3_modules", "clamp3_sizes", "text_checks")
)
"""What finds out the facts of weights."""


@dataclass(frozen=True, slots=True, eq=False)
class Clamp3Model:
    """The three towers and the tokenizer."""

    mert: MertTower
    audio: AudioTower
    text: TextTower
    tokenizer: LazyTokenizer


class Clamp3Encoder(ModelEncoder[Clamp3Model]):
    """The ``clamp3`` space: 768 dimensions at the published size, not normalised."""

    sample_rate = clamp3_intake.SAMPLE_RATE
    windowing = clamp3_intake.WINDOWING

    def __init__(
        self,
        weights: Path | None = None,
        *,
        device: str | None = None,
        sha256: str | None = None,
        graphs: Path | None = None,
    ) -> None:
        """Load the model.

        Args:
            weights: Folder or file, in either layout of ``clamp3_files``; by default that of the
                settings, or ``models/clamp3`` in the data folder.
            device: As ``choose_device``; by default that of the settings.
            sha256: The digest the checkpoint must have; by default that of the settings.
            graphs: Folder of what is known of models; by default that of the settings.

        Raises:
            PreconditionError: MODEL_MISSING or MODEL_INVALID, with the file and the fix.
            ImportError: If the ``models`` extra is not installed.
        """
        settings = Settings()
        super().__init__(
            weights or settings.clamp3_weights or settings.data_dir / "models" / "clamp3",
            device=device or settings.device,
            sha256=sha256 or settings.clamp3_sha256,
            graphs=graphs or settings.graphs_dir,
        )

    def intake(self, source_rate: int) -> Clamp3Intake:
        """Start one track; needs no weights."""
        return Clamp3Intake(source_rate)

    def prepare_audio(self, window: NDArray[np.float32]) -> MertWindow:
        """The first window (5 s) of a sound at 24 kHz, normalised over all of it."""
        intake = Clamp3Intake(self.sample_rate)
        whole = intake.push(window)
        rest, finish = intake.finish()
        return finish([*whole, *rest][0].features)

    def forward_audio(self, batch: Sequence[MertWindow]) -> NDArray[np.float32]:
        """MERT's rows, shape (len(batch), width), width being 768 at the published size."""
        return self._ready().mert([window.samples for window in batch])

    def pool(self, vectors: NDArray[np.float32], durations: NDArray[np.float64]) -> DenseVector:
        """The track vector (dim,) of all of a track's rows; their durations do not count."""
        return np.asarray(self._ready().audio([vectors])[0], dtype=np.float32)

    def assemble(
        self, rows: NDArray[np.float32], windows: Sequence[PreparedWindow]
    ) -> TrackVectors:
        """The reference's global vector, and the same of every 30 s, 15 s apart.

        Segments without sound are left out; the global vector hears silence as the reference does.
        """
        ranges = [
            (first, last)
            for first, last in segment_ranges(len(windows))
            if any(window.audible for window in windows[first:last])
        ]
        whole = (0, len(windows))
        wanted = [whole, *(one for one in ranges if one != whole)]
        vectors = self._ready().audio([rows[first:last] for first, last in wanted])
        by_range = dict(zip(wanted, vectors, strict=True))
        segments = [
            (Span(windows[first].span.start, windows[last - 1].span.end), by_range[first, last])
            for first, last in ranges
        ]
        return TrackVectors(by_range[whole], segments)

    def prepare_text(self, text: str) -> NDArray[np.int64]:
        """Token ids, shape (n,). Lines are kept in order, repeated and empty ones dropped.

        Raises:
            InvalidInputError: If there is nothing but white space.
        """
        return tokenise(self._ready().tokenizer, clean_text(text))

    def forward_text(self, batch: Sequence[NDArray[np.int64]]) -> list[DenseVector]:
        """One vector (dim,) per prepared text, in order."""
        return list(self._ready().text(batch))

    def _load(self) -> tuple[EmbeddingSpace, Clamp3Model]:
        from retrieval.encoders.clamp3_files import Clamp3Facts, locate, read_weights
        from retrieval.encoders.clamp3_towers import AudioTower, MertTower, TextTower
        from retrieval.encoders.device import choose_compute
        from retrieval.encoders.proofs import Proofs
        from retrieval.encoders.text_checks import LazyTokenizer, check_texts
        from retrieval.encoders.weights_memo import LazyWeights, Memo

        compute = choose_compute(self._device, self._graphs)
        files = locate(self._source)

        def read() -> tuple[Clamp3Facts, Clamp3Modules]:
            from retrieval.encoders.clamp3_modules import Clamp3Modules

            modules = Clamp3Modules(read_weights(files, sha256=self._sha256))
            return modules.facts, modules

        memo = Memo(compute.graphs, Clamp3Facts, files.all(), _CODE)
        weights = LazyWeights(memo, read, sha256=self._sha256, path=files.towers)
        facts = weights.facts
        mert, audio = MertTower(weights, compute), AudioTower(weights, compute)
        text = TextTower(weights, compute)
        tokenizer = LazyTokenizer(files.tokenizer, rows=facts.vocabulary)
        if not weights.recalled:
            tokenizer.load()
        space = _space(facts)
        check_texts(
            files.towers,
            lambda texts: text([tokenise(tokenizer, one) for one in texts]),
            vocabulary=facts.vocabulary,
            limit=_SAME,
            identity=space.revision,
            proofs=Proofs(compute.graphs),
        )
        weights.found_sound()
        return space, Clamp3Model(mert, audio, text, tokenizer)


def tokenise(tokenizer: LazyTokenizer, text: str) -> NDArray[np.int64]:
    """XLM-R's token ids of a text: its distinct lines, joined by ``</s>`` as in CLAMP3."""
    lines = dict.fromkeys(line for line in text.replace("\r\n", "\n").split("\n") if line)
    return tokenizer.ids("</s>".join(lines))


def _space(facts: Clamp3Facts) -> EmbeddingSpace:
    method = (
        _METHOD,
        Clamp3Encoder.sample_rate,
        Clamp3Encoder.windowing,
        clamp3_intake.EPSILON,
        clamp3_intake.SPAN_WINDOWS,
        clamp3_intake.SPAN_HOP,
        facts.words,
        facts.digest,
    )
    digest = hashlib.sha256(repr(method).encode()).hexdigest()
    return EmbeddingSpace(
        name="clamp3",
        dim=facts.hidden,
        distance=Distance.COSINE,
        revision=f"clamp3-{digest[:16]}",
        query_modalities=frozenset({Modality.TEXT, Modality.AUDIO}),
        levels=frozenset({Level.TRACK, Level.SEGMENT}),
    )
