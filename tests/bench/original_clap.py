"""CLAP over a folder of sound and for a text, as one would write it with the original's parts.

Acted out from what is known of laion_clap and of transformers' CLAP, none of it copied: a process
per run, which imports, builds with fresh weights and then loads; 16 bits and back; the NumPy front
end; one window of 10 s at a time, with eager attention; texts padded to 77 tokens. What laion_clap
does besides (three more tokenizers, librosa, hub look-ups) is left out, in its favour.

    python -m tests.bench.original_clap embed MUSIC OUT WEIGHTS
    python -m tests.bench.original_clap search TEXT FEATURES OUT WEIGHTS
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tests.bench.original_clamp3 import PAD, Clock

RATE, WINDOW, TOKENS = 48_000, 480_000, 77


def embed(music: Path, out: Path, weights: Path) -> dict[str, float]:
    """The mean direction of every file's windows, (1, dim)."""
    clock = Clock()
    import soundfile
    import soxr
    import torch
    from transformers import ClapFeatureExtractor, ClapModel

    del ClapModel  # Of _load; it counts as an import.
    clock.lap("imports")
    model = _load(weights)
    extract = ClapFeatureExtractor(frequency_min=50, truncation="rand_trunc")
    clock.lap("models")
    out.mkdir(parents=True, exist_ok=True)
    for path in sorted(music.glob("*.wav")):
        sound, rate = soundfile.read(path, dtype="float32", always_2d=True)
        wave = soxr.resample(sound.mean(axis=1), rate, RATE)
        wave = (np.clip(wave, -1, 1) * np.float32(32_767)).astype(np.int16)
        wave = (wave / 32_767.0).astype(np.float32)
        starts = list(range(0, max(1, len(wave) - WINDOW + 1), WINDOW))
        if len(wave) - starts[-1] - WINDOW >= RATE:
            starts.append(len(wave) - WINDOW)
        clock.lap("decoding")
        vectors = []
        for start in starts:
            features = extract(
                wave[start : start + WINDOW], sampling_rate=RATE, return_tensors="pt"
            )
            clock.lap("mel")
            with torch.no_grad():
                vectors.append(model.get_audio_features(**features).pooler_output[0].numpy())
            clock.lap("HTSAT")
        mean = np.mean(vectors, axis=0, keepdims=True)
        np.save(out / f"{path.stem}.npy", mean / np.linalg.norm(mean))
    return clock.seconds


def search(text: str, features: Path, out: Path, weights: Path) -> dict[str, float]:
    """Encode one text and rank all the features there are by cosine."""
    clock = Clock()
    import torch
    from transformers import ClapModel, PreTrainedTokenizerFast

    del ClapModel
    clock.lap("imports")
    model = _load(weights)
    clock.lap("models")
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(weights / "tokenizer.json"))
    clock.lap("tokenizer")
    ids = tokenizer.encode(text)[:TOKENS]
    padded = torch.tensor([ids + [PAD] * (TOKENS - len(ids))])
    with torch.no_grad():
        found = model.get_text_features(padded, attention_mask=(padded != PAD).long())
    vector = found.pooler_output.numpy()
    np.save(out, vector)
    clock.lap("CLAP")
    scores = {path.stem: float(np.load(path)[0] @ vector[0]) for path in features.glob("*.npy")}
    sorted(scores, key=lambda name: -scores[name])
    clock.lap("search")
    return clock.seconds


def _load(weights: Path) -> Any:
    import torch
    from transformers import ClapConfig, ClapModel

    config = ClapConfig.from_pretrained(weights)
    model = ClapModel._from_config(config, attn_implementation="eager")
    model.load_state_dict(torch.load(weights / "pytorch_model.bin", map_location="cpu"))
    return model.eval()


def main(arguments: Sequence[str]) -> None:
    """Run a stage and print its seconds."""
    stage, *rest = arguments
    if stage == "search":
        text, *paths = rest
        told = search(text, *map(Path, paths))
    else:
        told = embed(*map(Path, rest))
    print(json.dumps(told))


if __name__ == "__main__":
    main(sys.argv[1:])
