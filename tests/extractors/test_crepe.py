"""CREPE beside torchcrepe: its own front end, network and weights, on the same sound."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from indexer.extractors.crepe import CENTS, RATE  # noqa: E402
from indexer.extractors.protocol import Extractor  # noqa: E402
from indexer.extractors.registry import find, load  # noqa: E402
from tests.comparing import farthest, report  # noqa: E402
from tests.extractors.originals import sounds, together  # noqa: E402
from tests.signals import Samples  # noqa: E402

pytestmark = together
SAME = 5e-6
"""Of confidence, and of pitch as a share of it: single precision."""
MOVED = 1e-3
SHIPPED = Path("/nowhere: those in the package")


def ours(name: str, weights: Path = SHIPPED) -> Extractor:
    return load(find(name), weights, device="cpu")


def theirs(size: str, sound: Samples, weights: Path | None = None) -> np.ndarray:
    """Hz and confidence (T, 2) by torchcrepe.

    Its ``weighted_argmax`` applies the sigmoid a second time, to what the network gives after one,
    and adds noise to the pitch of each bin; CREPE itself does neither, so it gets logits here, and
    bins without noise.
    """
    import torchcrepe

    def average(probabilities: Any) -> Any:
        decode = torchcrepe.decode.weighted_argmax
        decode.weights = torch.from_numpy(CENTS.astype(np.float32))[None, :, None]
        return decode(torch.logit(probabilities.double()))

    torchcrepe.load.model("cpu", size)
    if weights is not None:
        torchcrepe.infer.model.load_state_dict(torch.load(weights, weights_only=True))
    pitch, confidence = torchcrepe.predict(
        torch.from_numpy(sound)[None],
        RATE,
        model=size,
        # All bins: the lowest is at 31.7 Hz.
        fmin=31.71,
        decoder=average,
        return_periodicity=True,
        batch_size=128,
    )
    return np.stack([pitch[0].numpy(), confidence[0].numpy()], axis=1)


def distances(one: np.ndarray, other: np.ndarray) -> tuple[float, float]:
    return farthest(one[:, 0] / other[:, 0], np.ones(len(other))), farthest(one[:, 1], other[:, 1])


@pytest.mark.parametrize(("name", "size"), [("crepe", "tiny"), ("crepe-full", "full")])
def test_shipped_weights(name: str, size: str) -> None:
    extractor = ours(name)
    given = sounds(RATE, 2.5 if size == "tiny" else 0.5)
    for kind, sound in given.items():
        (found,) = extractor.extract(sound)
        pitch, confidence = distances(found, theirs(size, sound))
        report(f"{name} {kind}", pitch=pitch, confidence=confidence)
        assert pitch <= SAME and confidence <= SAME
    # The same network does not give the same to everything.
    assert distances(extractor.extract(sound)[0], theirs(size, sound[::-1].copy()))[1] >= MOVED


def test_other_weights_show(tmp_path: Path) -> None:
    import torchcrepe

    sound, files = sounds(RATE)["song"], []
    for seed in range(2):
        torch.manual_seed(seed)
        files.append(tmp_path / f"{seed}.pth")
        torch.save(torchcrepe.Crepe("tiny").state_dict(), files[-1])
    (found,) = ours("crepe", files[0]).extract(sound)
    right, wrong = (distances(found, theirs("tiny", sound, file)) for file in files)
    report("crepe with random weights", right=max(right), wrong=max(wrong))
    assert max(right) <= SAME < MOVED <= max(wrong)
