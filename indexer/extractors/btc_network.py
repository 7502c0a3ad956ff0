"""The network of BTC (Park et al., ISMIR 2019) in PyTorch, under the names of its checkpoints."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional

BINS = 144
"""Of the constant-Q transform that it reads."""
WIDTH, LAYERS, HEADS = 128, 8, 4


class _Norm(torch.nn.Module):  # type: ignore[misc] # PyTorch is not followed
    """Layer normalisation by the sample deviation, which stock PyTorch has not."""

    def __init__(self) -> None:
        super().__init__()
        self.gamma = torch.nn.Parameter(torch.ones(WIDTH))
        self.beta = torch.nn.Parameter(torch.zeros(WIDTH))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        centred = x - x.mean(-1, keepdim=True)
        return self.gamma * centred / (x.std(-1, keepdim=True) + 1e-6) + self.beta


class _Attention(torch.nn.Module):  # type: ignore[misc] # as above
    """Attention to what is before (or after) each frame."""

    def __init__(self, *, backward: bool) -> None:
        super().__init__()
        for name in ("query", "key", "value", "output"):
            setattr(self, f"{name}_linear", torch.nn.Linear(WIDTH, WIDTH, bias=False))
        self._backward = backward

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        def heads(part: torch.Tensor) -> torch.Tensor:
            return part.unflatten(-1, (HEADS, -1)).transpose(1, 2)

        seen = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool, device=x.device)
        found = functional.scaled_dot_product_attention(
            heads(self.query_linear(x)),
            heads(self.key_linear(x)),
            heads(self.value_linear(x)),
            attn_mask=seen.triu() if self._backward else seen.tril(),
        )
        result: torch.Tensor = self.output_linear(found.transpose(1, 2).flatten(2))
        return result


class _Convolution(torch.nn.Module):  # type: ignore[misc] # as above
    def __init__(self) -> None:
        super().__init__()
        self.conv = torch.nn.Conv1d(WIDTH, WIDTH, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.relu(self.conv(x.transpose(1, 2))).transpose(1, 2)


class _Feed(torch.nn.Module):  # type: ignore[misc] # as above
    def __init__(self) -> None:
        super().__init__()
        self.layers = torch.nn.ModuleList([_Convolution(), _Convolution()])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            x = layer(x)
        return x


class _Block(torch.nn.Module):  # type: ignore[misc] # as above
    def __init__(self, *, backward: bool) -> None:
        super().__init__()
        self.multi_head_attention = _Attention(backward=backward)
        self.positionwise_convolution = _Feed()
        self.layer_norm_mha, self.layer_norm_ffn = _Norm(), _Norm()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.multi_head_attention(self.layer_norm_mha(x))
        result: torch.Tensor = x + self.positionwise_convolution(self.layer_norm_ffn(x))
        return result


class _Layer(torch.nn.Module):  # type: ignore[misc] # as above
    def __init__(self) -> None:
        super().__init__()
        self.attn_block = _Block(backward=False)
        self.backward_attn_block = _Block(backward=True)
        self.linear = torch.nn.Linear(2 * WIDTH, WIDTH)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        both = torch.cat([self.attn_block(x), self.backward_attn_block(x)], dim=2)
        result: torch.Tensor = self.linear(both)
        return result


class _Layers(torch.nn.Module):  # type: ignore[misc] # as above
    def __init__(self) -> None:
        super().__init__()
        self.embedding_proj = torch.nn.Linear(BINS, WIDTH, bias=False)
        self.self_attn_layers = torch.nn.ModuleList([_Layer() for _ in range(LAYERS)])
        self.layer_norm = _Norm()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.embedding_proj(x) + _places(x.shape[1]).to(x.device)
        for layer in self.self_attn_layers:
            x = layer(x)
        result: torch.Tensor = self.layer_norm(x)
        return result


class _Output(torch.nn.Module):  # type: ignore[misc] # as above
    def __init__(self, chords: int) -> None:
        super().__init__()
        self.output_projection = torch.nn.Linear(WIDTH, chords)


class BtcNetwork(torch.nn.Module):  # type: ignore[misc] # as above
    """Frames (n, 108, 144) to scores (n, 108, chords)."""

    def __init__(self, chords: int) -> None:
        super().__init__()
        self.self_attn_layers = _Layers()
        self.output_layer = _Output(chords)

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        """Scores of each chord."""
        states = self.self_attn_layers(frames)
        scores: torch.Tensor = self.output_layer.output_projection(states)
        return scores


def _places(count: int) -> torch.Tensor:
    """Sines and cosines of each place, (1, count, WIDTH), as in "Attention Is All You Need"."""
    half = WIDTH // 2
    speeds = np.exp(np.arange(half) * -(np.log(1.0e4) / (half - 1)))
    angles = np.arange(count)[:, None] * speeds[None, :]
    signal = np.concatenate([np.sin(angles), np.cos(angles)], axis=1)
    return torch.from_numpy(signal.astype(np.float32))[None]
