"""What CLAMP3's own scripts do for a folder of sound and for a text, acted out again.

Written from what is known of their behaviour (sanderwood/clamp3 of May 2025), none of it copied:
two processes per folder, each of which imports, builds with fresh weights and then loads; one
window at a time through MERT, with eager attention and all hidden states; rows in ``.npy`` files
between the two; rows and tokens padded to 128 positions. What they do besides (hub look-ups,
imports of packages that only scores need) is left out, in their favour.

    python -m tests.bench.original_clamp3 embed MUSIC OUT WEIGHTS
    python -m tests.bench.original_clamp3 search TEXT FEATURES OUT WEIGHTS
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

RATE, WINDOW, LENGTH = 24_000, 120_000, 128
PATCH, PATCHES, SYMBOLS = 64, 512, 128
PAD = 1
CHECKPOINT, MERT, ROBERTA = "clamp3", "MERT-v1-95M", "xlm-roberta-base"


class Clock:
    """Processor seconds of this process, by what it did."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def lap(self, name: str) -> None:
        """Count all that is not counted yet."""
        before = sum(self.seconds.values())
        self.seconds[name] = self.seconds.get(name, 0.0) + time.process_time() - before


def embed(music: Path, out: Path, weights: Path) -> dict[str, float]:
    """Both processes; returns their seconds by what they did."""
    rows = out / "rows"
    rows.mkdir(parents=True)
    total: dict[str, float] = {}
    for stage, source, target in (("rows", music, rows), ("vectors", rows, out)):
        command = [sys.executable, "-m", __spec__.name, stage]
        done = subprocess.run(
            [*command, str(source), str(target), str(weights)],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name, seconds in json.loads(done.stdout).items():
            total[name] = total.get(name, 0.0) + seconds
    return total


def make_rows(music: Path, out: Path, weights: Path) -> dict[str, float]:
    """MERT's rows of every file, (1, windows, width)."""
    clock = Clock()
    import soundfile
    import torch
    from transformers import HubertConfig, HubertModel

    clock.lap("imports")
    config = json.loads((weights / MERT / "config.json").read_text())
    model = HubertModel(HubertConfig(**config, attn_implementation="eager"))
    state = torch.load(weights / MERT / "pytorch_model.bin", map_location="cpu")
    conv = "encoder.pos_conv_embed.conv."
    for new, old in (("original0", "weight_g"), ("original1", "weight_v")):
        state[f"{conv}parametrizations.weight.{new}"] = state.pop(conv + old)
    model.load_state_dict(state)
    model.eval()
    clock.lap("models")
    for path in sorted(music.glob("*.wav")):
        sound, rate = soundfile.read(path, dtype="float32", always_2d=True)
        wave = _resample(torch.from_numpy(sound.mean(axis=1)), rate)
        wave = (wave - wave.mean()) / torch.sqrt(wave.var(unbiased=False) + 1e-7)
        clock.lap("decoding")
        rows = []
        for start in range(0, len(wave), WINDOW):
            window = wave[start : start + WINDOW]
            if start and len(window) < RATE:
                continue
            with torch.no_grad():
                states = model(window[None], output_hidden_states=True).hidden_states
                rows.append(torch.stack(states).mean(dim=2).mean(dim=0))
        np.save(out / f"{path.stem}.npy", torch.stack(rows, dim=1).numpy())
        clock.lap("MERT")
    return clock.seconds


def make_vectors(rows: Path, out: Path, weights: Path) -> dict[str, float]:
    """The global vector of every file of rows, (1, width)."""
    clock = Clock()
    import torch

    model = _load(weights, clock)
    for path in sorted(rows.glob("*.npy")):
        sequence = torch.from_numpy(np.load(path))[0]
        blank = torch.zeros(1, sequence.shape[1])
        framed = torch.cat([blank, sequence, blank])
        np.save(out / path.name, _pieces(framed, 0.0, model, "audio", "inputs_embeds"))
        clock.lap("CLAMP3")
    return clock.seconds


def search(text: str, features: Path, out: Path, weights: Path) -> dict[str, float]:
    """Encode one text and rank all the features there are by cosine."""
    clock = Clock()
    import torch
    from transformers import PreTrainedTokenizerFast

    model = _load(weights, clock)
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(weights / ROBERTA / "tokenizer.json"))
    clock.lap("tokenizer")
    ids = torch.tensor(tokenizer.encode(text))
    found = _pieces(ids, PAD, model, "text", "input_ids")
    np.save(out, found)
    clock.lap("CLAMP3")
    scores = {}
    for path in sorted(features.glob("*.npy")):
        one = np.load(path)[0]
        scores[path.stem] = float(one @ found[0] / np.linalg.norm(one) / np.linalg.norm(found))
    sorted(scores, key=lambda name: -scores[name])
    clock.lap("search")
    return clock.seconds


def towers(width: int, layers: int, text: Any) -> Any:
    """All of CLAMP3, the score tower too, under its checkpoint's names, with fresh weights.

    Args:
        width: Of every tower.
        layers: Of the audio and the score tower.
        text: The ``XLMRobertaConfig`` of the text tower.
    """
    import torch
    from transformers import BertConfig, BertModel, XLMRobertaModel

    def bert(positions: int) -> Any:
        config = BertConfig(
            vocab_size=1,
            hidden_size=width,
            num_hidden_layers=layers,
            num_attention_heads=width // 64,
            intermediate_size=4 * width,
            max_position_embeddings=positions,
            attn_implementation="eager",
        )
        return BertModel(config)

    scores = {"patch_embedding": torch.nn.Linear(PATCH * SYMBOLS, width), "base": bert(PATCHES)}
    return torch.nn.ModuleDict(
        {
            "text_model": XLMRobertaModel(text),
            "text_proj": torch.nn.Linear(width, width),
            "symbolic_model": torch.nn.ModuleDict(scores),
            "symbolic_proj": torch.nn.Linear(width, width),
            "audio_model": bert(LENGTH),
            "audio_proj": torch.nn.Linear(width, width),
        }
    )


def _load(weights: Path, clock: Clock) -> Any:
    import torch
    from transformers import BertModel, XLMRobertaConfig, XLMRobertaModel

    del BertModel, XLMRobertaModel  # What towers() is made of counts as an import.
    clock.lap("imports")
    (checkpoint,) = (weights / CHECKPOINT).glob("*.pth")
    width, layers = map(int, re.findall(r"_a_(?:size|layers)_(\d+)", checkpoint.name))
    config = XLMRobertaConfig.from_pretrained(weights / ROBERTA, attn_implementation="eager")
    model = towers(width, layers, config)
    model.load_state_dict(torch.load(checkpoint, map_location="cpu")["model"])
    model.eval()
    clock.lap("models")
    return model


def _pieces(
    sequence: Any, blank: float, model: Any, tower: str, argument: str
) -> NDArray[np.float32]:
    """The mean over pieces of 128, each padded to this length, by how much is new in them."""
    import torch

    count = len(sequence)
    pieces = [sequence[start : start + LENGTH] for start in range(0, count, LENGTH)]
    weights = [len(piece) for piece in pieces]
    if count > LENGTH:
        pieces[-1] = sequence[-LENGTH:]
    found = []
    for piece in pieces:
        padded = torch.full((1, LENGTH, *piece.shape[1:]), blank, dtype=piece.dtype)
        padded[0, : len(piece)] = piece
        mask = (torch.arange(LENGTH) < len(piece)).long()[None]
        with torch.no_grad():
            encoded = model[f"{tower}_model"](**{argument: padded}, attention_mask=mask)
            mean = (encoded.last_hidden_state * mask[..., None]).sum(dim=1) / mask.sum()
            found.append(model[f"{tower}_proj"](mean))
    shares = torch.tensor(weights, dtype=torch.float32)[:, None] / count
    vector = (torch.cat(found) * shares).sum(dim=0, keepdim=True)
    return np.asarray(vector.numpy(), dtype=np.float32)


def _resample(wave: Any, rate: int) -> Any:
    """To 24 kHz by a Hann-windowed sinc of width 6 and rolloff 0.99, as one strided convolution."""
    import torch

    common = int(np.gcd(rate, RATE))
    source, target = rate // common, RATE // common
    if source == target:
        return wave
    base = 0.99 * min(source, target)
    half = int(np.ceil(6 * source / base))
    inputs = np.arange(-half, half + source)[None, :] / source
    t = np.clip((inputs - np.arange(target)[:, None] / target) * base, -6, 6)
    taps = np.sinc(t) * np.cos(t * np.pi / 12) ** 2 * base / source
    kernel = torch.from_numpy(taps.astype(np.float32))[:, None]
    padded = torch.nn.functional.pad(wave, (half, half + source))
    made = torch.nn.functional.conv1d(padded[None, None], kernel, stride=source)
    return made[0].T.reshape(-1)[: -(-target * len(wave) // source)]


def main(arguments: Sequence[str]) -> None:
    """Run a stage and print its seconds."""
    stage, *rest = arguments
    if stage == "search":
        text, *paths = rest
        told = search(text, *map(Path, paths))
    else:
        stages = {"embed": embed, "rows": make_rows, "vectors": make_vectors}
        told = stages[stage](*map(Path, rest))
    print(json.dumps(told))


if __name__ == "__main__":
    main(sys.argv[1:])
