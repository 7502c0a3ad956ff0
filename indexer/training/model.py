"""The ear's two towers as they are trained; ``ear_towers`` runs them in NumPy."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from indexer.training.attributes import NAMES
from retrieval.encoders.ear_frontend import PITCH_OCTAVES, PITCH_STEPS
from retrieval.encoders.ear_tokens import BUCKETS, LONGEST, Token

MEANING = 128
"""Dimensions that text and sound share."""
IDENTITY = 64
"""Dimensions that sound alone has, by which a recording is known again."""
LAGS = (8, 80)
"""Frames of the mel picture between which rhythms repeat: 0.16 to 1.6 s."""


class Separable(nn.Module):  # type: ignore[misc] # PyTorch is not followed
    """A depthwise convolution and a pointwise one, each normalised; residual where shapes agree."""

    def __init__(
        self, channels: int, out: int, kernel: tuple[int, int], stride: tuple[int, int]
    ) -> None:
        super().__init__()
        padding = (kernel[0] // 2, kernel[1] // 2)
        self.deep = nn.Conv2d(
            channels, channels, kernel, stride, padding, groups=channels, bias=False
        )
        self.deep_norm = nn.BatchNorm2d(channels)
        self.point = nn.Conv2d(channels, out, 1, bias=False)
        self.point_norm = nn.BatchNorm2d(out)
        self.residual = channels == out and stride == (1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Pictures (batch, channels, rows, columns)."""
        y = self.point_norm(self.point(functional.relu(self.deep_norm(self.deep(x)))))
        return functional.relu(x + y) if self.residual else functional.relu(y)


class Timbre(nn.Module):  # type: ignore[misc] # PyTorch is not followed
    """The mel picture to what sounds: (batch, 64, frames) to (batch, 3 * width)."""

    def __init__(self, widths: Sequence[int] = (24, 48, 96, 192), width: int = 256) -> None:
        super().__init__()
        self.input = nn.BatchNorm1d(64)
        self.stem = nn.Conv2d(1, widths[0], 5, 2, 2, bias=False)
        self.stem_norm = nn.BatchNorm2d(widths[0])
        a, b, c, d = widths
        self.blocks = nn.Sequential(
            Separable(a, b, (3, 3), (2, 2)),
            Separable(b, c, (3, 3), (2, 2)),
            Separable(c, d, (3, 3), (2, 1)),
            Separable(d, d, (3, 3), (1, 1)),
            Separable(d, d, (3, 3), (1, 1)),
        )
        self.merge = nn.Conv2d(4 * d, width, 1, bias=False)
        self.merge_norm = nn.BatchNorm2d(width)
        self.time = nn.Sequential(
            Separable(width, width, (1, 5), (1, 1)), Separable(width, width, (1, 5), (1, 1))
        )
        self.attention = nn.Conv2d(width, 4, 1)

    def forward(self, mel: Tensor) -> Tensor:
        """From pictures (batch, 64, frames), 0..1."""
        x = self.input(mel)[:, None]
        x = self.blocks(functional.relu(self.stem_norm(self.stem(x))))
        batch, channels, rows, frames = x.shape
        x = x.reshape(batch, channels * rows, 1, frames)
        x = self.time(functional.relu(self.merge_norm(self.merge(x))))[:, :, 0]
        weights = self.attention(x[:, :, None])[:, :, 0].softmax(dim=2)
        groups = x.reshape(batch, 4, -1, frames)
        attended = (groups * weights[:, :, None]).sum(dim=3).reshape(batch, -1)
        return torch.cat([x.mean(dim=2), x.amax(dim=2), attended], dim=1)


class Rhythm(nn.Module):  # type: ignore[misc] # PyTorch is not followed
    """How onsets repeat in four bands: the mel picture to (batch, 64)."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(4 * (LAGS[1] - LAGS[0]), 128, bias=False)
        self.inner_norm = nn.BatchNorm1d(128)
        self.outer = nn.Linear(128, 64)

    def forward(self, mel: Tensor) -> Tensor:
        """From pictures (batch, 64, frames), 0..1."""
        flux = functional.relu(mel[:, :, 1:] - mel[:, :, :-1])
        onsets = flux.reshape(len(mel), 4, 16, -1).mean(dim=2)
        onsets = onsets - onsets.mean(dim=2, keepdim=True)
        size = 2 * onsets.shape[2]
        spectrum = torch.fft.rfft(onsets.float(), n=size)
        again = torch.fft.irfft(spectrum.abs() ** 2, n=size)
        share = again[:, :, LAGS[0] : LAGS[1]] / (again[:, :, :1] + 1e-4)
        # A short window repeats over few lags only.
        share = functional.pad(share, (0, LAGS[1] - LAGS[0] - share.shape[2]))
        return functional.relu(
            self.outer(functional.relu(self.inner_norm(self.inner(share.flatten(1)))))
        )


class Harmony(nn.Module):  # type: ignore[misc] # PyTorch is not followed
    """Which pitches sound together, whatever the key: the semitone map to (batch, 128)."""

    def __init__(self, channels: int = 16, width: int = 64) -> None:
        super().__init__()
        self.local = nn.Conv2d(1, channels, (7, 3), padding=(3, 1))
        self.local_norm = nn.BatchNorm2d(channels)
        kernel = PITCH_STEPS - 1
        # Means over a window differ little: what is not normalised takes long to be learnt.
        self.first = nn.Conv1d(2 * channels, width, kernel, bias=False)
        self.first_norm = nn.BatchNorm1d(width)
        self.second = nn.Conv1d(width, width, kernel, bias=False)
        self.second_norm = nn.BatchNorm1d(width)
        self.margin = kernel // 2

    def forward(self, pitch: Tensor) -> Tensor:
        """From maps (batch, 144, frames), 0..1."""
        x = functional.relu(self.local_norm(self.local(pitch[:, None])))
        x = x.mean(dim=3).reshape(len(x), -1, PITCH_OCTAVES, PITCH_STEPS)
        x = torch.cat([x.mean(dim=2), x.amax(dim=2)], dim=1)
        for layer, norm in ((self.first, self.first_norm), (self.second, self.second_norm)):
            # An octave is a circle.
            around = torch.cat([x[:, :, -self.margin :], x, x[:, :, : self.margin]], dim=2)
            x = functional.relu(norm(layer(around)))
        return torch.cat([x.mean(dim=2), x.amax(dim=2)], dim=1)


class AudioTower(nn.Module):  # type: ignore[misc] # PyTorch is not followed
    """Two pictures of a window to its vector and what it says of every attribute."""

    def __init__(self, widths: Sequence[int] = (24, 48, 96, 192), width: int = 256) -> None:
        super().__init__()
        self.timbre = Timbre(widths, width)
        self.rhythm = Rhythm()
        self.harmony = Harmony()
        self.drop = nn.Dropout(0.15)
        self.hidden = nn.Linear(3 * width + 64 + 128, 512, bias=False)
        self.hidden_norm = nn.BatchNorm1d(512)
        self.attributes = nn.Linear(512, len(NAMES))
        self.meaning = nn.Linear(512 + len(NAMES), MEANING)
        self.identity = nn.Linear(512, IDENTITY)

    def forward(self, mel: Tensor, pitch: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Meaning and identity, each of length 1, and the logits of the attributes.

        Args:
            mel: (batch, 64, frames), 0..1.
            pitch: (batch, 144, frames), 0..1.
        """
        hidden, logits = self.hear(mel, pitch)
        meaning = self.meaning(self.told(hidden, logits))
        return (
            functional.normalize(meaning, dim=1),
            functional.normalize(self.identity(hidden), dim=1),
            logits,
        )

    def hear(self, mel: Tensor, pitch: Tensor) -> tuple[Tensor, Tensor]:
        """What meaning and identity are made of, (batch, 512), and the logits of the attributes."""
        parts = [self.timbre(mel), self.rhythm(mel), self.harmony(pitch)]
        hidden = self.hidden(self.drop(torch.cat(parts, dim=1)))
        hidden = functional.relu(self.hidden_norm(hidden))
        return hidden, self.attributes(hidden)

    @staticmethod
    def told(hidden: Tensor, logits: Tensor) -> Tensor:
        """What the meaning is projected from."""
        return torch.cat([hidden, torch.tanh(logits / 4)], dim=1)


class TextTower(nn.Module):  # type: ignore[misc] # PyTorch is not followed
    """Tokens to a vector of meaning."""

    def __init__(self, vocabulary: int, width: int = 160, layers: int = 2, heads: int = 4) -> None:
        """Build the tower.

        Args:
            vocabulary: Known words, the unknown one included.
            width: Of a word.
            layers: Of attention.
            heads: Of each layer.
        """
        super().__init__()
        self.words = nn.Embedding(vocabulary, width, padding_idx=0)
        self.pieces = nn.EmbeddingBag(BUCKETS, width, mode="mean")
        self.places = nn.Parameter(0.02 * torch.randn(LONGEST, width))
        # What a denial denies stands beside it, which attention alone is slow to learn.
        self.near = nn.Conv1d(width, width, 5, padding=2)
        layer = nn.TransformerEncoderLayer(
            width,
            heads,
            2 * width,
            dropout=0.1,
            activation="relu",
            batch_first=True,
            norm_first=True,
        )
        self.layers = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(width)
        self.claims = nn.Linear(2 * width, 2 * len(NAMES))
        self.out = nn.Linear(2 * width + 2 * len(NAMES), MEANING)
        # Filled by ``align``: what a denial takes away from the meaning.
        self.register_buffer("denials", torch.zeros(len(NAMES), MEANING))
        nn.init.normal_(self.words.weight, std=0.05)
        nn.init.normal_(self.pieces.weight, std=0.05)

    def forward(self, texts: Sequence[Sequence[Token]]) -> tuple[Tensor, Tensor]:
        """Meaning of length 1, and the logits of what is claimed and of what is denied.

        Args:
            texts: Tokens; every text has one.

        Returns:
            Shapes (len(texts), MEANING) and (len(texts), 2 * attributes), claims before denials.
        """
        device = self.out.weight.device
        longest = max(len(text) for text in texts)
        words = torch.zeros(len(texts), longest, dtype=torch.long)
        mask = torch.ones(len(texts), longest, dtype=torch.bool)
        pieces: list[int] = []
        offsets: list[int] = []
        where: list[tuple[int, int]] = []
        for row, text in enumerate(texts):
            for place, token in enumerate(text):
                words[row, place] = token.word
                mask[row, place] = False
                offsets.append(len(pieces))
                pieces.extend(token.pieces)
                where.append((row, place))
        bags = self.pieces(
            torch.tensor(pieces, device=device), torch.tensor(offsets, device=device)
        )
        rows, places = (torch.tensor(part, device=device) for part in zip(*where, strict=True))
        x = self.words(words.to(device)) + self.places[:longest]
        x = x.index_put((rows, places), bags, accumulate=True)
        mask = mask.to(device)
        x = x.masked_fill(mask[:, :, None], 0.0)
        x = x + functional.relu(self.near(x.transpose(1, 2)).transpose(1, 2))
        x = self.norm(self.layers(x, src_key_padding_mask=mask))
        x = x.masked_fill(mask[:, :, None], 0.0)
        mean = x.sum(dim=1) / (~mask).sum(dim=1, keepdim=True)
        peak = x.masked_fill(mask[:, :, None], -1e4).amax(dim=1)
        pooled = torch.cat([mean, peak], dim=1)
        claims = self.claims(pooled)
        out = self.out(torch.cat([pooled, torch.tanh(claims / 4)], dim=1))
        denied = torch.sigmoid(claims[:, len(NAMES) :]) @ self.denials
        return functional.normalize(functional.normalize(out, dim=1) - denied, dim=1), claims
