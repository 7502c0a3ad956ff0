"""Where CLAMP3's weights lie, and what is in them.

Two layouts are read. The *reference's*, in one folder or in folders of it: the CLAMP3 checkpoint
under its own name, which codes its sizes; MERT's ``config.json`` with ``pytorch_model.bin`` or
``model.safetensors``; XLM-R's ``tokenizer.json``. And *ours*, which ``convert`` writes: one
``clamp3.safetensors`` with ``tokenizer.json`` beside it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from retrieval.core.errors import PreconditionError
from retrieval.encoders.checkpoints import (
    Tensors,
    begin_folder,
    digest_tensors,
    invalid,
    missing,
    part,
    read_config,
    read_safetensors,
    read_torch,
    take_tensors,
    verify_sha256,
    write_safetensors,
)
from retrieval.encoders.clamp3_sizes import (
    FETCH,
    MERT_FIXED,
    Clamp3Sizes,
    mert_arguments,
    parse_name,
)

CONVERTED = "clamp3.safetensors"
TOKENIZER = "tokenizer.json"
_FORMAT = "segue-clamp3-1"
_USED = ("audio_model.", "audio_proj.", "text_model.", "text_proj.")
# The score tower and the poolers: part of every checkpoint, of no query we answer.
_UNUSED = re.compile(r"^(symbolic_model|symbolic_proj)\.|^(audio|text)_model\.pooler\.")


@dataclass(frozen=True, slots=True)
class Clamp3Files:
    """Where everything lies.

    Attributes:
        towers: The checkpoint, or the one file of our own layout.
        config: MERT's ``config.json``; None in our own layout.
        mert: The file of its tensors.
        tokenizer: ``tokenizer.json``.
    """

    towers: Path
    config: Path | None
    mert: Path
    tokenizer: Path

    def all(self) -> list[Path]:
        """The files there are, each once."""
        files = (self.towers, self.config, self.mert, self.tokenizer)
        return list(dict.fromkeys(path for path in files if path is not None))


@dataclass(frozen=True, slots=True)
class Clamp3Facts:
    """What has to be known of weights without reading them.

    Attributes:
        digest: Of all tensors and sizes.
        words: SHA-256 of the tokenizer.
        hidden: As in ``Clamp3Sizes``, likewise the next three.
        text_length: Tokens in a piece of text.
        audio_size: Width of the audio tower, and of MERT's rows.
        audio_length: Rows in a piece of audio.
        vocabulary: Tokens of the text tower.
    """

    digest: str
    words: str
    hidden: int
    text_length: int
    audio_size: int
    audio_length: int
    vocabulary: int


@dataclass(frozen=True, slots=True, eq=False)
class Clamp3Weights:
    """Everything that is read from disk.

    Attributes:
        files: Where it came from.
        sizes: Of the two towers.
        towers: Tensors ``audio_model.* audio_proj.* text_model.* text_proj.*``.
        mert: Tensors of MERT under ``HubertModel``'s names.
        mert_sizes: Arguments of its ``HubertConfig``.
        digest: Of all tensors and sizes.
    """

    files: Clamp3Files
    sizes: Clamp3Sizes
    towers: Tensors
    mert: Tensors
    mert_sizes: Mapping[str, Any]
    digest: str


def locate(path: Path) -> Clamp3Files:
    """Find the weights in either layout; of them nothing is read.

    Args:
        path: A folder, or a file in it.

    Raises:
        PreconditionError: MODEL_MISSING if a part is absent; MODEL_INVALID if one is by its name
            another model's.
    """
    if not path.exists():
        raise missing(
            path, f"no such folder of CLAMP3 weights; {FETCH}, or set SEGUE_CLAMP3_WEIGHTS"
        )
    folder = path if path.is_dir() else path.parent
    converted = folder / CONVERTED
    if path == converted or (path.is_dir() and converted.is_file()):
        return Clamp3Files(converted, None, converted, _tokenizer(folder))
    checkpoint = path if path.is_file() else _find_checkpoint(folder)
    parse_name(checkpoint)
    config, mert = _find_mert(folder)
    return Clamp3Files(checkpoint, config, mert, _tokenizer(folder))


def read_weights(files: Clamp3Files, *, sha256: str | None = None) -> Clamp3Weights:
    """Read the weights.

    Args:
        files: As ``locate`` found them.
        sha256: The digest that the CLAMP3 file must have.

    Raises:
        PreconditionError: MODEL_MISSING if a file is gone; MODEL_INVALID if one is damaged, is
            another model's, or does not have this digest.
    """
    verify_sha256(files.towers, sha256)
    if files.config is None:
        return _read_converted(files)
    return _read_reference(files, files.config)


def load_weights(path: Path, *, sha256: str | None = None) -> Clamp3Weights:
    """Find and read the weights; the arguments are those of ``locate`` and ``read_weights``.

    Raises:
        PreconditionError: As these two.
    """
    return read_weights(locate(path), sha256=sha256)


def convert(source: Path, folder: Path) -> Path:
    """Write what is needed of the reference's files as one safetensors file and a tokenizer.

    Args:
        source: As for ``load_weights``.
        folder: Made if need be; the weights are written last, so that a half-written folder is
            never taken for a whole one.

    Returns:
        The path of the weights.

    Raises:
        PreconditionError: As ``load_weights``.
        OSError: If the folder cannot be written.
    """
    weights = load_weights(source)
    begin_folder(folder, weights.files.tokenizer)
    tensors = weights.towers | {f"mert.{k}": v for k, v in weights.mert.items()}
    metadata = {
        "format": _FORMAT,
        "flavour": "saas",
        "sizes": json.dumps(asdict(weights.sizes)),
        "mert": json.dumps(weights.mert_sizes),
        "digest": weights.digest,
        "licences": "CLAMP3: MIT; MERT: CC-BY-NC-4.0; XLM-R: MIT",
    }
    write_safetensors(folder / CONVERTED, tensors, metadata)
    return folder / CONVERTED


def _read_converted(files: Clamp3Files) -> Clamp3Weights:
    path = files.towers
    tensors, metadata = read_safetensors(path)
    if metadata.get("format") != _FORMAT:
        raise invalid(path, "not written by this version of Segue; convert the checkpoint again")
    try:
        sizes = Clamp3Sizes(**json.loads(metadata["sizes"]))
        mert_sizes = mert_arguments(json.loads(metadata["mert"]) | dict(MERT_FIXED), path)
    except (KeyError, TypeError, ValueError) as error:
        raise invalid(path, "its metadata is damaged; convert the checkpoint again") from error
    towers = {k: v for k, v in tensors.items() if k.startswith(_USED)}
    mert = part(tensors, "mert.")
    # Not the digest in the metadata: the space's revision must tell an edited file from the first.
    digest = _digest(towers, mert, sizes, mert_sizes)
    if digest != metadata.get("digest"):
        raise invalid(path, "its tensors are not those it was written with; convert again")
    return Clamp3Weights(files, sizes, towers, mert, mert_sizes, digest)


def _read_reference(files: Clamp3Files, config: Path) -> Clamp3Weights:
    checkpoint = files.towers
    sizes = parse_name(checkpoint)
    content = read_torch(checkpoint)
    if not isinstance(content, Mapping) or "model" not in content:
        raise invalid(checkpoint, "there is no 'model' in it: not a CLAMP3 checkpoint")
    everything = take_tensors(
        {k: v for k, v in content["model"].items() if not _UNUSED.match(k)}, checkpoint
    )
    unknown = [k for k in everything if not k.startswith(_USED)]
    if unknown:
        raise invalid(checkpoint, f"{len(unknown)} tensors are unknown ({unknown[0]}, …)")
    mert, mert_sizes = _read_mert(config, files.mert)
    digest = _digest(everything, mert, sizes, mert_sizes)
    return Clamp3Weights(files, sizes, everything, mert, mert_sizes, digest)


def load_mert(folder: Path) -> tuple[Tensors, Mapping[str, Any]]:
    """MERT alone, as the hub has it, from a folder or a folder in it.

    Returns:
        Its tensors under ``HubertModel``'s names, and arguments of its ``HubertConfig``.

    Raises:
        PreconditionError: MODEL_MISSING or MODEL_INVALID.
    """
    return _read_mert(*_find_mert(folder))


def _find_mert(folder: Path) -> tuple[Path, Path]:
    for config in _search(folder, "config.json"):
        if read_config(config).get("model_type") == "mert_model":
            safe = config.with_name("model.safetensors")
            return config, safe if safe.is_file() else config.with_name("pytorch_model.bin")
    raise missing(
        folder,
        f"no MERT in it: m-a-p/MERT-v1-95M's config.json and pytorch_model.bin are needed; {FETCH}",
    )


def _read_mert(config: Path, path: Path) -> tuple[Tensors, Mapping[str, Any]]:
    sizes = mert_arguments(read_config(config), config)
    safe = path.suffix == ".safetensors"
    tensors = take_tensors(read_safetensors(path)[0] if safe else read_torch(path), path)
    # Only training masks with it.
    tensors.pop("masked_spec_embed", None)
    conv = "encoder.pos_conv_embed.conv."
    for old, new in (("weight_g", "original0"), ("weight_v", "original1")):
        if conv + old in tensors:
            tensors[f"{conv}parametrizations.weight.{new}"] = tensors.pop(conv + old)
    return tensors, sizes


def _digest(
    towers: Tensors, mert: Tensors, sizes: Clamp3Sizes, mert_sizes: Mapping[str, Any]
) -> str:
    named = towers | {f"mert.{k}": v for k, v in mert.items()}
    shape = json.dumps([asdict(sizes), dict(mert_sizes)], sort_keys=True)
    return f"{digest_tensors(named)}:{shape}"


def _tokenizer(folder: Path) -> Path:
    for path in _search(folder, TOKENIZER):
        return path
    raise missing(folder, f"no tokenizer.json (of FacebookAI/xlm-roberta-base) in it; {FETCH}")


def _find_checkpoint(folder: Path) -> Path:
    found = list(_search(folder, "weights_clamp3_*.pth"))
    saas = [path for path in found if path.name.startswith("weights_clamp3_saas_")]
    if len(saas) == 1:
        return saas[0]
    if len(saas) > 1:
        raise PreconditionError(
            f"{folder}: {len(saas)} CLAMP3 checkpoints in it; name one of them",
            reason="MODEL_INVALID",
            metadata={"path": str(folder)},
        )
    if found:
        parse_name(found[0])
    raise missing(folder, f"no weights_clamp3_saas_….pth and no {CONVERTED} in it; {FETCH}")


def _search(folder: Path, pattern: str) -> list[Path]:
    return sorted(folder.glob(pattern)) + sorted(folder.glob(f"*/{pattern}"))
