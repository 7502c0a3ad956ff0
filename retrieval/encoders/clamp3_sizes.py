"""The sizes of CLAMP3 and of MERT, as the names and configurations of their files say them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from retrieval.encoders.checkpoints import invalid

FETCH = "fetch them with segue models download clamp3"
_NAME = re.compile(
    r"^weights_clamp3_(?P<flavour>[a-z0-9]+)_h_size_(?P<hidden>\d+)_t_model_(?P<text_model>.+)"
    r"_t_length_(?P<text_length>\d+)_a_size_(?P<audio_size>\d+)_a_layers_(?P<audio_layers>\d+)"
    r"_a_length_(?P<audio_length>\d+)_s_size_\d+_s_layers_\d+_p_size_\d+_p_length_\d+\.pth\Z"
)
_MERT_SIZES = (
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "intermediate_size",
    "conv_dim",
    "conv_kernel",
    "conv_stride",
    "num_conv_pos_embeddings",
    "num_conv_pos_embedding_groups",
    "layer_norm_eps",
    "hidden_act",
    "feat_extract_activation",
    "feat_proj_layer_norm",
)
# What our path through HubertModel takes for granted; other MERTs branch off here.
MERT_FIXED: Mapping[str, object] = {
    "feature_extractor_cqt": False,
    "deepnorm": False,
    "attention_relax": -1.0,
    "do_stable_layer_norm": False,
    "feat_extract_norm": "group",
    "conv_bias": False,
    "sample_rate": 24_000,
}


@dataclass(frozen=True, slots=True)
class Clamp3Sizes:
    """The sizes in a checkpoint's name.

    Attributes:
        hidden: Dimensions of the joint space.
        text_length: Tokens in a piece of text.
        audio_size: Width of the audio tower, and of MERT's rows.
        audio_layers: Its layers.
        audio_length: Rows in a piece of audio.
    """

    hidden: int
    text_length: int
    audio_size: int
    audio_layers: int
    audio_length: int


def parse_name(path: Path) -> Clamp3Sizes:
    """The sizes coded in the name of a SAAS checkpoint.

    Raises:
        PreconditionError: MODEL_INVALID if the name is none of the reference's, or a C2 checkpoint,
            whose audio tower was not trained for audio search.
    """
    match = _NAME.match(path.name)
    if match is None:
        raise invalid(
            path, "keep the name the checkpoint was published under; the sizes are read from it"
        )
    if match["flavour"] != "saas":
        raise invalid(
            path,
            f"this is the {match['flavour'].upper()} checkpoint, made for scores; "
            f"audio and text need weights_clamp3_saas_….pth: {FETCH}",
        )
    return Clamp3Sizes(
        hidden=int(match["hidden"]),
        text_length=int(match["text_length"]),
        audio_size=int(match["audio_size"]),
        audio_layers=int(match["audio_layers"]),
        audio_length=int(match["audio_length"]),
    )


def mert_arguments(values: Mapping[str, Any], path: Path) -> Mapping[str, Any]:
    """Arguments of MERT's ``HubertConfig``.

    Args:
        values: Its ``config.json``.
        path: Named in errors.

    Raises:
        PreconditionError: MODEL_INVALID if this is not MERT-v1-95M's kind.
    """
    for name, expected in MERT_FIXED.items():
        if values.get(name, expected) != expected:
            raise invalid(path, f"{name} is {values[name]!r}; only MERT-v1-95M's kind is supported")
    try:
        return {name: values[name] for name in _MERT_SIZES}
    except KeyError as error:
        raise invalid(path, f"there is no {error.args[0]!r} in it") from error
