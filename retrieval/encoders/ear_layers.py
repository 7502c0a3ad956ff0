"""The few layers that the ear is made of, in NumPy: pictures are (rows, columns, channels)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


def relu(x: Array) -> Array:
    """What is above zero."""
    return np.maximum(x, np.float32(0.0), out=x)


def dense(x: Array, weight: Array, bias: Array) -> Array:
    """The product of x (…, n) and weight (m, n), plus bias (m,)."""
    return np.asarray(x @ weight.T + bias, dtype=np.float32)


def convolve(x: Array, weight: Array, bias: Array, stride: tuple[int, int]) -> Array:
    """A convolution of one picture, padded by half the kernel.

    Args:
        x: (rows, columns, channels).
        weight: (out, channels, height, width), height and width odd.
        bias: (out,).
        stride: Of rows and columns.
    """
    height, width = weight.shape[2:]
    padded = _padded(x, height // 2, width // 2)
    view = np.lib.stride_tricks.sliding_window_view(padded, (height, width), axis=(0, 1))
    view = view[:: stride[0], :: stride[1]]
    rows, columns = view.shape[:2]
    flat = np.ascontiguousarray(view).reshape(rows * columns, -1)
    out = flat @ weight.reshape(len(weight), -1).T + bias
    return np.asarray(out.reshape(rows, columns, -1), dtype=np.float32)


def depthwise(x: Array, weight: Array, bias: Array, stride: tuple[int, int]) -> Array:
    """A convolution of each channel by itself; weight is (channels, 1, height, width)."""
    height, width = weight.shape[2:]
    padded = _padded(x, height // 2, width // 2)
    rows, columns = -(-x.shape[0] // stride[0]), -(-x.shape[1] // stride[1])
    out = np.broadcast_to(bias, (rows, columns, len(bias))).copy()
    for row in range(height):
        for column in range(width):
            part = padded[
                row : row + stride[0] * (rows - 1) + 1 : stride[0],
                column : column + stride[1] * (columns - 1) + 1 : stride[1],
            ]
            out += part * weight[:, 0, row, column]
    return out


def circular(x: Array, weight: Array, bias: Array) -> Array:
    """A convolution of (places, channels) whose ends meet; weight is (out, channels, places)."""
    margin = weight.shape[2] // 2
    return _along(np.concatenate([x[-margin:], x, x[:margin]]), weight, bias)


def along(x: Array, weight: Array, bias: Array) -> Array:
    """A convolution of (places, channels) with nothing beyond its ends; weight as ``circular``."""
    margin = weight.shape[2] // 2
    return _along(np.pad(x, ((margin, margin), (0, 0))), weight, bias)


def _along(around: Array, weight: Array, bias: Array) -> Array:
    view = np.lib.stride_tricks.sliding_window_view(around, weight.shape[2], axis=0)
    flat = np.ascontiguousarray(view).reshape(len(view), -1)
    return np.asarray(flat @ weight.reshape(len(weight), -1).T + bias, dtype=np.float32)


def normalise(x: Array, weight: Array, bias: Array) -> Array:
    """Layer normalisation over the last axis, epsilon 1e-5."""
    centred = x - x.mean(axis=-1, keepdims=True)
    variance = (centred**2).mean(axis=-1, keepdims=True)
    return np.asarray(centred / np.sqrt(variance + 1e-5) * weight + bias, dtype=np.float32)


def softmax(x: Array, axis: int) -> Array:
    """Shares that add up to 1 along an axis."""
    exponent = np.exp(x - x.max(axis=axis, keepdims=True))
    return np.asarray(exponent / exponent.sum(axis=axis, keepdims=True), dtype=np.float32)


def attend(x: Array, weights: Mapping[str, Array], name: str, heads: int) -> Array:
    """A layer of a transformer over (places, width), as PyTorch's with ``norm_first`` and ReLU.

    Args:
        x: What goes in.
        weights: By PyTorch's names.
        name: What the names of this layer begin with.
        heads: Of its attention.
    """
    w = weights

    def apply(part: str, y: Array) -> Array:
        return dense(y, w[f"{name}.{part}.weight"], w[f"{name}.{part}.bias"])

    y = normalise(x, w[f"{name}.norm1.weight"], w[f"{name}.norm1.bias"])
    mixed = dense(y, w[f"{name}.self_attn.in_proj_weight"], w[f"{name}.self_attn.in_proj_bias"])
    count, width = x.shape
    q, k, v = mixed.reshape(count, 3, heads, -1).transpose(1, 2, 0, 3)
    scores = q @ k.transpose(0, 2, 1) / np.sqrt(np.float32(q.shape[2]))
    together = (softmax(scores, axis=2) @ v).transpose(1, 0, 2).reshape(count, width)
    x = x + apply("self_attn.out_proj", together)
    y = normalise(x, w[f"{name}.norm2.weight"], w[f"{name}.norm2.bias"])
    return x + apply("linear2", relu(apply("linear1", y)))


def unit(x: Array) -> Array:
    """A vector of length 1."""
    return np.asarray(x / max(float(np.linalg.norm(x)), 1e-12), dtype=np.float32)


def _padded(x: Array, rows: int, columns: int) -> Array:
    return np.pad(x, ((rows, rows), (columns, columns), (0, 0)))
