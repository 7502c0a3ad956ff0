"""The ``laion-clap`` package, run on a checkpoint without its loader and without a network.

Left to itself, the package fetches three tokenizers when it is imported and a text model when one
of its own is built, and it reads checkpoints in a way that runs what they say. Here it is given all
of these instead.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from pathlib import Path
from threading import Lock
from typing import Any
from unittest import mock

import numpy as np
import torch
from numpy.typing import NDArray

from retrieval.core.errors import PreconditionError
from retrieval.encoders.batching import Batches
from retrieval.encoders.checkpoints import Tensors, fit, invalid

_ARCHITECTURES = {(96, (2, 2, 6, 2)): "HTSAT-tiny", (128, (2, 2, 12, 2)): "HTSAT-base"}
"""By the width of a patch and the depths of the stages."""
_TOKENIZERS = ("RobertaTokenizer", "BertTokenizer", "BartTokenizer")
"""Classes of transformers that the package asks for published ones. Two may be one."""
_WIDTH = 768
"""Of the text model: the package builds its projection for no other."""
# What it builds replaces classes of transformers for a moment, and those are the process's.
_BUILDING = Lock()


class LaionModel:
    """The package's own model.

    Attributes:
        dim: Dimensions of the joint space.
    """

    def __init__(
        self,
        path: Path,
        state: Tensors,
        config: Mapping[str, Any],
        tokenizer: Any,
        *,
        device: torch.device,
        windows: int,
        texts: int,
    ) -> None:
        """Build it.

        Args:
            path: The checkpoint, for errors.
            state: Its tensors, under the package's names.
            config: The sizes found in them, as ``clap_laion.explain`` gives them.
            tokenizer: Of the tokenizers library.
            device: Where it runs.
            windows: Windows that go through at once at most.
            texts: Texts that go through at once at most.

        Raises:
            PreconditionError: MODEL_INVALID if the package knows no model of these sizes;
                MODEL_MISSING if what it needs is installed, but does not fit together.
            ImportError: If the package, or what it needs, is not installed.
        """
        audio, text = config["audio_config"], config["text_config"]
        name = _ARCHITECTURES.get((audio["patch_embeds_hidden_size"], tuple(audio["depths"])))
        if name is None or text["hidden_size"] != _WIDTH:
            raise invalid(path, "laion-clap has no model of these sizes; the encoder clap may")
        fused = bool(audio["enable_fusion"])
        with _BUILDING, _given(tokenizer, text):
            package = _import(fused=fused)
            self._module = package.CLAP_Module(enable_fusion=fused, device="cpu", amodel=name)
        fit(self._module.model, state, path)
        self._module.to(device)
        self._windows: Batches[NDArray[np.float32]] = Batches(windows, name="laion-clap sound")
        self._texts: Batches[NDArray[np.float32]] = Batches(texts, name="laion-clap text")
        self.dim = int(config["projection_dim"])

    def hear(self, windows: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Vectors (n, dim) of windows of 1 to 480,000 samples; longer ones it would crop.

        Raises:
            BusyError: OUT_OF_MEMORY if a single one does not fit into memory.
        """
        return self._run(self._windows, windows, self._module.get_audio_embedding_from_data)

    def read(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors (n, dim) of texts, which the package tokenises and pads to 77 tokens."""
        return self._run(self._texts, texts, self._module.get_text_embedding)

    def _run(
        self,
        batches: Batches[NDArray[np.float32]],
        items: Sequence[Any],
        encode: Callable[[list[Any]], NDArray[np.float32]],
    ) -> NDArray[np.float32]:
        vectors = np.empty((len(items), self.dim), dtype=np.float32)
        with torch.inference_mode():
            # The package makes all of them equally long.
            for places, found in batches.run(
                [1] * len(items), lambda places: encode([items[place] for place in places])
            ):
                vectors[places] = found
        return vectors


def package_version() -> str:
    """The version of ``laion-clap`` that is installed.

    Raises:
        ImportError: If it is not.
    """
    return version("laion-clap")


@contextmanager
def _given(tokenizer: Any, text: Mapping[str, Any]) -> Iterator[None]:
    """Hand these to whoever asks transformers for a published tokenizer or RoBERTa."""
    with _fitting():
        from transformers import PreTrainedTokenizerFast, RobertaConfig, RobertaModel

        kinds = {getattr(importlib.import_module("transformers"), name) for name in _TOKENIZERS}
    words = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",  # noqa: S106 - a word of text
        model_input_names=["input_ids", "attention_mask"],
    )

    def model(*_: Any, **__: Any) -> Any:
        return RobertaModel(RobertaConfig(**text, type_vocab_size=1, pad_token_id=1))

    with ExitStack() as stack:
        for kind in kinds:
            stack.enter_context(mock.patch.object(kind, "from_pretrained", lambda *_, **__: words))
        stack.enter_context(mock.patch.object(RobertaModel, "from_pretrained", model))
        yield


def _import(*, fused: bool) -> Any:
    # About calls that the package makes; nobody who runs it can do anything about them.
    warnings.filterwarnings("ignore", r"torch\.meshgrid|Argument 'onesided'")
    with _fitting():
        if fused:
            # The package puts up with its absence, until the first window.
            importlib.import_module("torchaudio")
        return importlib.import_module("laion_clap")


@contextmanager
def _fitting() -> Iterator[None]:
    """Explain builds of torchvision and torchaudio that miss their PyTorch when imported."""
    try:
        yield
    except ImportError:
        raise
    # They fail in ways of their own, which transformers, who looks for them too, passes on.
    except (RuntimeError, OSError) as error:
        raise PreconditionError(
            f"laion-clap cannot be imported ({error}): install torch, torchvision and torchaudio "
            "of one release and from one index",
            reason="MODEL_MISSING",
            metadata={"package": "laion-clap"},
        ) from error
