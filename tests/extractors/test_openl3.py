"""OpenL3 beside torchopenl3, on random weights saved by it.

What counts reaches down to 80 dB of amplitude below the loudest, which is beyond single precision:
where a sound has nothing there, torchopenl3 gives its own rounding. It is compared as it is, and
with its spectrogram in double precision.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from indexer.extractors.openl3 import FFT, HOP, RATE, OpenL3  # noqa: E402
from tests.comparing import farthest, report  # noqa: E402
from tests.extractors.originals import sounds, together  # noqa: E402
from tests.signals import Samples  # noqa: E402

pytestmark = together
SAME = 2e-6
"""Of the largest value."""
ROUNDED = 1e-3
MOVED = 1e-2


def build(bands: int, seed: int, folder: Path) -> tuple[Any, OpenL3]:
    """Their model, and ours on the file of its weights."""
    from torchopenl3.models import PytorchOpenl3

    torch.manual_seed(seed)
    model = PytorchOpenl3("music", f"mel{bands}", 512).eval()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 2)
    path = folder / f"torchopenl3_mel{bands}_{seed}.pth.tar"
    torch.save(model.state_dict(), path)
    return model, OpenL3(path, device="cpu")


def exact(model: Any) -> Any:
    """Their model with a spectrogram in double precision, its transform's matrices too."""
    model = copy.deepcopy(model)
    layer = model.speclayer.double()
    time = np.arange(FFT)
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * time / FFT)
    waves = hann * np.exp(-2j * np.pi / FFT * np.outer(np.arange(FFT // 2 + 1), time))
    for name, part in (("real", waves.real), ("imag", waves.imag)):
        kernels = getattr(layer, f"dft_{name}_kernels")
        assert farthest(kernels[:, 0], part) < 1e-6
        kernels.copy_(torch.from_numpy(part.copy())[:, None])
    layer.register_forward_pre_hook(lambda _, given: given[0].double())
    layer.register_forward_hook(lambda _, given, found: found.float())
    return model


def theirs(model: Any, sound: Samples) -> np.ndarray:
    import torchopenl3

    vectors, _ = torchopenl3.get_audio_embedding(sound.astype(np.float64), RATE, model=model)
    return vectors[0].numpy()


def apart(one: np.ndarray, other: np.ndarray) -> float:
    return farthest(one, other) / float(np.abs(other).max())


@pytest.mark.parametrize("bands", [128, 256])
def test_vectors(bands: int, tmp_path: Path) -> None:
    model, extractor = build(bands, 0, tmp_path)
    double = exact(model)
    given = sounds(RATE, 1.3)
    if bands == 256:
        given = {name: given[name] for name in ("song", "shortest")}
    for kind, sound in given.items():
        (found,) = extractor.extract(sound)
        single = theirs(model, sound)
        as_is, in_double = apart(found, single), apart(found, theirs(double, sound))
        report(f"openl3 {bands} {kind}", as_it_is=as_is, in_double=in_double)
        assert in_double <= SAME and as_is <= (SAME if kind == "noise" else ROUNDED)


def test_mistakes_show(tmp_path: Path) -> None:
    model, extractor = build(128, 0, tmp_path)
    _, other = build(128, 1, tmp_path)
    song = sounds(RATE, 1.3)["song"]
    right = theirs(model, song)
    mistakes = {
        "other weights": apart(other.extract(song)[0], right),
        "a hop late": apart(extractor.extract(song[HOP:])[0][:5], right[:5]),
        "backwards": apart(extractor.extract(song[::-1].copy())[0], right),
    }
    report("openl3 mistakes", **mistakes)
    assert min(mistakes.values()) >= MOVED
