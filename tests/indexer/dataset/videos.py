"""Small videos with music in them, and CLIP with random weights."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path

import av
import numpy as np

from tests.signals import RATE, chords, clicks
from tests.video.clips import Shot, clip

ROOTS = (60, 69, 65, 67)
"""C, A minor (as A major here), F, G: one every two seconds."""


def song(seconds: float = 8.0, seed: int = 0) -> np.ndarray:
    """Chords in four four at 120 bpm, on a click."""
    count = int(np.ceil(seconds / 2.0))
    roots = [ROOTS[(seed + place) % len(ROOTS)] for place in range(count)]
    music = chords(roots, each=2.0)[: round(seconds * RATE)]
    return music + 0.3 * clicks(120, len(music) / RATE)[: len(music)]


def video(shots: list[Shot], music: np.ndarray | None = None) -> bytes:
    """An MP4 of shots with mono sound at 44.1 kHz."""
    picture = clip(shots)
    if music is None:
        return picture
    with (
        tempfile.NamedTemporaryFile(suffix=".mp4") as target,
        av.open(io.BytesIO(picture)) as source,
    ):
        with av.open(target.name, "w", format="mp4") as container:
            copied = container.add_stream_from_template(source.streams.video[0])
            heard = container.add_stream("aac", rate=RATE, layout="mono")
            heard.bit_rate = 160_000
            for packet in source.demux(source.streams.video[0]):
                if packet.dts is not None:
                    packet.stream = copied
                    container.mux(packet)
            for start in range(0, len(music), 1024):
                block = np.ascontiguousarray(music[start : start + 1024], np.float32)[None]
                frame = av.AudioFrame.from_ndarray(block, format="fltp", layout="mono")
                frame.sample_rate, frame.pts = RATE, start
                container.mux(heard.encode(frame))
            container.mux(heard.encode(None))
        return Path(target.name).read_bytes()


def write_clip(folder: Path, seed: int = 0) -> Path:
    """A tiny CLIP as transformers keeps it."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import CLIPConfig, CLIPModel

    from indexer.formats.emotion import EMOTIONS

    torch.manual_seed(seed)
    small = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1}
    config = CLIPConfig(
        text_config=small
        | {"num_attention_heads": 2, "vocab_size": 16, "eos_token_id": 1, "bos_token_id": 0},
        vision_config=small | {"num_attention_heads": 2, "image_size": 32, "patch_size": 8},
        projection_dim=24,
    )
    CLIPModel(config).save_pretrained(folder, safe_serialization=True)
    words = ["<start>", "<end>", "<unk>", *EMOTIONS]
    tokenizer = Tokenizer(
        models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="<unk>")  # noqa: S106 - a word
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<start> $A <end>", special_tokens=[("<start>", 0), ("<end>", 1)]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder
