"""MERT beside transformers' own HuBERT and feature extractor, at the published size.

The ``modeling_MERT.py`` of the hub cannot be installed. As MERT-v1-95M is configured, it builds a
``HubertModel`` of these modules and no more: no constant-Q features, no deep normalisation, no
relaxed attention.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from indexer.extractors.mert import HOP, PIECE, RATE, MertFrames  # noqa: E402
from tests.comparing import farthest, report  # noqa: E402
from tests.extractors.originals import sounds, together  # noqa: E402
from tests.indexer.extractors.weights import MERT, write_published_mert  # noqa: E402
from tests.signals import Samples, song  # noqa: E402

pytestmark = together
SAME = 2e-5
"""Of values around 1, after twelve layers."""
MOVED = 1e-2


def theirs(folder: Path, sound: Samples) -> np.ndarray:
    from transformers import HubertConfig, HubertModel, Wav2Vec2FeatureExtractor

    names = {k: v for k, v in MERT.items() if k not in ("model_type", "sample_rate")}
    model = HubertModel(HubertConfig(**names, attn_implementation="eager")).eval()
    model.load_state_dict(torch.load(folder / "pytorch_model.bin", weights_only=True))
    processor = Wav2Vec2FeatureExtractor(sampling_rate=RATE, do_normalize=True)
    given = processor(sound, sampling_rate=RATE, return_tensors="pt").input_values
    with torch.inference_mode():
        return model(given).last_hidden_state[0].numpy()


def test_frames(tmp_path: Path) -> None:
    folders = [write_published_mert(tmp_path / str(seed), seed=seed) for seed in range(2)]
    extractor = MertFrames(folders[0], device="cpu")
    for kind, sound in sounds(RATE).items():
        (found,) = extractor.extract(sound)
        right, wrong = (farthest(found, theirs(folder, sound)) for folder in folders)
        report(f"mert {kind}", right=right, wrong=wrong)
        assert right <= SAME and wrong >= MOVED
    # As long as goes through at once, and not whole frames.
    sound = song(2, PIECE * HOP / RATE + 0.0567, RATE).mean(axis=1, dtype=np.float32)
    distance = farthest(extractor.extract(sound)[0], theirs(folders[0], sound))
    report("mert 30 s", distance=distance)
    assert distance <= SAME
