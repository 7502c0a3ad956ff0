"""Lightness and colour temperature of a picture."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

# sRGB to XYZ (IEC 61966-2-1), each row over the white point D65.
_XYZ = np.array(
    [
        [0.4124564 / 0.95047, 0.3575761 / 0.95047, 0.1804375 / 0.95047],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339 / 1.08883, 0.1191920 / 1.08883, 0.9503041 / 1.08883],
    ],
    dtype=np.float32,
)
_BLUE_YELLOW = 50.0


def lightness_and_temperature(pixels: NDArray[np.uint8]) -> tuple[float, float]:
    """What a picture weighs on the eye, by CIE L*a*b*.

    Args:
        pixels: sRGB, uint8 of shape (height, width, 3).

    Returns:
        Mean L* over 100, 0 (black) to 1 (white); and the temperature, -1 (blue) over 0 (grey) to 1
        (red and yellow): the mean of b* / 50, held within -1..1, and of (R - B) / (R + B).
    """
    linear = _linear()[pixels.reshape(-1, 3)]
    bent = _bent(linear @ _XYZ.T)
    light = 116.0 * bent[:, 1] - 16.0
    blue_yellow = 200.0 * float((bent[:, 1] - bent[:, 2]).mean())
    red, _, blue = pixels.reshape(-1, 3).mean(axis=0)
    balance = float((red - blue) / (red + blue + 1.0))
    temperature = 0.5 * (min(max(blue_yellow / _BLUE_YELLOW, -1.0), 1.0) + balance)
    return float(light.mean()) / 100.0, temperature


def brightness(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Luma 0..1 (BT.601) of RGB: float32 of shape (height, width)."""
    weights = np.array([0.299, 0.587, 0.114], dtype=np.float32) / np.float32(255)
    return np.asarray(pixels.astype(np.float32) @ weights, dtype=np.float32)


def _bent(xyz: NDArray[np.float32]) -> NDArray[np.float32]:
    """The cube root of CIE 1976, straight near black."""
    straight = xyz * np.float32(841 / 108) + np.float32(4 / 29)
    return np.where(xyz > 216 / 24389, np.cbrt(xyz), straight)


@cache
def _linear() -> NDArray[np.float32]:
    coded = np.arange(256) / 255.0
    light = np.where(coded <= 0.04045, coded / 12.92, ((coded + 0.055) / 1.055) ** 2.4)
    return light.astype(np.float32)
