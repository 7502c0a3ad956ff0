"""Where CLAP's weights lie: a folder as on the hub, the hub's cache, or a ``.pt`` of LAION's."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from retrieval.encoders.checkpoints import (
    Tensors,
    begin_folder,
    digest_tensors,
    invalid,
    missing,
    read_config,
    read_safetensors,
    read_torch,
    take_tensors,
    verify_sha256,
    write_safetensors,
)
from retrieval.encoders.clap_laion import explain, read_state
from retrieval.encoders.weights_folder import sha256_of

CONFIG, SAFE, BIN, TOKENIZER = (
    "config.json",
    "model.safetensors",
    "pytorch_model.bin",
    "tokenizer.json",
)
_HUB_NAME = re.compile(r"^[\w.-]+/[\w.-]+\Z")
_ROBERTA = "FacebookAI/roberta-base"
# What of a configuration changes a vector beyond the tensors and their shapes.
_TEXT = ("num_attention_heads", "layer_norm_eps", "hidden_act", "pad_token_id")
_AUDIO = (
    *("window_size", "num_mel_bins", "spec_size", "patch_size", "patch_stride", "depths"),
    *("num_attention_heads", "enable_fusion", "layer_norm_eps", "hidden_act"),
)


@dataclass(frozen=True, slots=True)
class ClapFiles:
    """Where everything lies.

    Attributes:
        tensors: The file of the weights.
        config: ``config.json``; None if the sizes are inferred from the tensors.
        tokenizer: ``tokenizer.json``.
    """

    tensors: Path
    config: Path | None
    tokenizer: Path

    def all(self) -> list[Path]:
        """The files there are."""
        return [path for path in (self.tensors, self.config, self.tokenizer) if path is not None]


@dataclass(frozen=True, slots=True)
class ClapFacts:
    """What has to be known of weights without reading them.

    Attributes:
        digest: Of all tensors and of what in the configuration changes a vector.
        words: SHA-256 of the tokenizer.
        dim: Dimensions of the joint space.
        vocabulary: Tokens of the text tower.
        fused: Whether it was trained with feature fusion.
    """

    digest: str
    words: str
    dim: int
    vocabulary: int
    fused: bool


@dataclass(frozen=True, slots=True, eq=False)
class ClapWeights:
    """Everything that is read from disk.

    Attributes:
        path: The file of the tensors, for errors.
        tensors: Under ``ClapModel``'s names.
        config: Its ``ClapConfig``.
        tokenizer: ``tokenizer.json``.
        digest: Of all tensors and of what in the configuration changes a vector.
    """

    path: Path
    tensors: Tensors
    config: Any
    tokenizer: Path
    digest: str

    def facts(self) -> ClapFacts:
        """What is worth remembering of them."""
        return ClapFacts(
            digest=self.digest,
            words=sha256_of(self.tokenizer),
            dim=int(self.config.projection_dim),
            vocabulary=int(self.config.text_config.vocab_size),
            fused=bool(self.config.audio_config.enable_fusion),
        )


@dataclass(frozen=True, slots=True, eq=False)
class LaionCheckpoint:
    """A ``.pt`` of LAION's, for LAION's own code.

    Attributes:
        path: The file, for errors.
        state: Its tensors, under the names of LAION's own model.
        arguments: Its sizes, as arguments of ``ClapConfig``.
        tokenizer: ``tokenizer.json``.
    """

    path: Path
    state: Tensors
    arguments: Mapping[str, Any]
    tokenizer: Path


def locate(source: str | Path) -> ClapFiles:
    """Find the files; nothing is downloaded, and nothing is read.

    Args:
        source: A folder with ``config.json`` and ``model.safetensors`` (or ``pytorch_model.bin``),
            a folder with one ``.pt`` or such a file itself, each with ``tokenizer.json``, or the
            name of a repository that is in the hub's cache.

    Raises:
        PreconditionError: MODEL_MISSING if a part is absent.
    """
    path = _locate(source)
    folder = path if path.is_dir() else path.parent
    if path.is_dir() and not (path / CONFIG).is_file():
        path = _only_checkpoint(
            path, needed="one of LAION's, or a folder as on the hub with config.json, is needed"
        )
    if path.is_file() and path.suffix in (".pt", ".pth"):
        return ClapFiles(path, None, _tokenizer(folder))
    file = folder / SAFE if (folder / SAFE).is_file() else folder / BIN
    if not file.is_file():
        raise missing(file, "no such file of weights")
    return ClapFiles(file, folder / CONFIG, _tokenizer(folder))


def read_weights(files: ClapFiles, *, sha256: str | None = None) -> ClapWeights:
    """Read the weights.

    Args:
        files: As ``locate`` found them.
        sha256: The digest that the file of the tensors must have.

    Raises:
        PreconditionError: MODEL_MISSING if a file is gone; MODEL_INVALID if one is damaged, is
            another model's, or does not have this digest.
    """
    file = files.tensors
    if files.config is None:
        _verify(file, sha256)
        tensors, arguments = explain(read_state(file), file)
    else:
        arguments = read_config(files.config)
        if arguments.get("model_type") != "clap":
            raise invalid(files.config, f"model_type is {arguments.get('model_type')!r}")
        _verify(file, sha256)
        found = read_safetensors(file)[0] if file.name == SAFE else read_torch(file)
        tensors = take_tensors(found, file)
    config = _config(arguments, file)
    digest = f"{digest_tensors(tensors)}:{_choices(config)}"
    return ClapWeights(file, tensors, config, files.tokenizer, digest)


def load_weights(source: str | Path, *, sha256: str | None = None) -> ClapWeights:
    """Find and read the weights; the arguments are those of ``locate`` and ``read_weights``.

    Raises:
        PreconditionError: As these two.
    """
    return read_weights(locate(source), sha256=sha256)


def load_checkpoint(source: str | Path, *, sha256: str | None = None) -> LaionCheckpoint:
    """Find and read an original checkpoint; nothing is downloaded, and nothing in it is run.

    Args:
        source: A ``.pt`` of LAION's, or a folder with one, with ``tokenizer.json``.
        sha256: The digest that the file must have.

    Raises:
        PreconditionError: MODEL_MISSING if a part is absent; MODEL_INVALID if one is damaged, is
            another model's, or does not have this digest.
    """
    path = _locate(source)
    needed = "the encoder laion-clap takes one of LAION's own"
    file = _only_checkpoint(path, needed=needed) if path.is_dir() else path
    _verify(file, sha256)
    state = read_state(file)
    return LaionCheckpoint(file, state, explain(state, file)[1], _tokenizer(file.parent))


def convert(source: str | Path, folder: Path) -> Path:
    """Write weights of any layout as a folder in the hub's, safetensors, once and for all.

    Args:
        source: As for ``load_weights``.
        folder: Made if need be; the weights are written last.

    Returns:
        The path of the weights.

    Raises:
        PreconditionError: As ``load_weights``.
        OSError: If the folder cannot be written.
    """
    weights = load_weights(source)
    begin_folder(folder, weights.tokenizer)
    (folder / CONFIG).write_text(weights.config.to_json_string(), encoding="utf-8")
    write_safetensors(folder / SAFE, weights.tensors, {"format": "pt"})
    return folder / SAFE


def _locate(source: str | Path) -> Path:
    path = Path(source)
    if path.exists():
        return path
    if not _HUB_NAME.match(str(source)):
        raise missing(
            path,
            "no such folder or file of CLAP weights; fetch them with segue models download clap, "
            "or set SEGUE_CLAP_WEIGHTS",
        )
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        return Path(snapshot_download(str(source), local_files_only=True))
    except LocalEntryNotFoundError as error:
        raise missing(
            path,
            "neither a local path nor in the hub's cache; fetch it with segue models download "
            f"{str(source).partition('/')[2]}, if segue models list has it, else with hf download "
            f"{source}",
        ) from error


def _only_checkpoint(folder: Path, *, needed: str) -> Path:
    found = sorted(folder.glob("*.pt"))
    if len(found) != 1:
        raise missing(folder, f"{len(found)} checkpoints (*.pt) in it; {needed}")
    return found[0]


def _verify(file: Path, sha256: str | None) -> None:
    if not file.is_file():
        raise missing(file, "no such file of weights")
    verify_sha256(file, sha256)


def _config(arguments: Mapping[str, Any], file: Path) -> Any:
    from transformers import ClapConfig

    try:
        return ClapConfig.from_dict(dict(arguments))
    # Its validators raise errors of many kinds.
    except Exception as error:
        raise invalid(file, f"its configuration is not CLAP's: {error}") from error


def _choices(config: Any) -> str:
    text = {name: getattr(config.text_config, name) for name in _TEXT}
    audio = {name: getattr(config.audio_config, name) for name in _AUDIO}
    # As JSON, since lists and tuples come and go between files.
    return json.dumps([text, audio, config.projection_hidden_act], sort_keys=True)


def _tokenizer(folder: Path) -> Path:
    for path in (folder / TOKENIZER, *sorted(folder.glob(f"*/{TOKENIZER}"))):
        if path.is_file():
            return path
    from huggingface_hub import try_to_load_from_cache

    cached = try_to_load_from_cache(_ROBERTA, TOKENIZER)
    if isinstance(cached, str):
        return Path(cached)
    raise missing(
        folder / TOKENIZER,
        f"there is no tokenizer; segue models download brings it with the weights, or put "
        f"{_ROBERTA}'s there",
    )
