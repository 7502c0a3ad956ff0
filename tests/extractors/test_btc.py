"""BTC beside its authors' code, on random weights: features, scores and chords."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from indexer.extractors.btc import RATE, SECONDS, STEPS, Btc, constant_q  # noqa: E402
from indexer.formats.chord_names import normal_chord  # noqa: E402
from tests.comparing import farthest, report  # noqa: E402
from tests.extractors.originals import needs_btc  # noqa: E402
from tests.signals import Samples, chords, noise, song  # noqa: E402

SAME = 2e-5
"""Of scores and of logarithms of amplitude."""
MOVED = 1e-1


class Theirs:
    """Its authors' model with random weights, as their ``test.py`` uses it."""

    def __init__(self, size: int, seed: int) -> None:
        import yaml
        from btc_model import BTC_model
        from utils import mir_eval_modules

        self.code = mir_eval_modules
        self.config = SimpleNamespace(**yaml.safe_load(Path("run_config.yaml").read_text()))
        self.config.model["num_chords"] = size
        torch.manual_seed(seed)
        self.model = BTC_model(config=self.config.model).eval()
        with torch.no_grad():
            # So that the chords change.
            self.model.output_layer.output_projection.weight.mul_(5)

    def save(self, path: Path) -> Path:
        torch.save({"mean": -3.0, "std": 2.0, "model": self.model.state_dict()}, path)
        return path

    def features(self, path: Path) -> np.ndarray:
        found, _, _ = self.code.audio_file_to_features(path, self.config)
        return found.T

    def scores(self, features: np.ndarray) -> np.ndarray:
        normal = (features - -3.0) / 2.0
        normal = np.pad(normal, ((0, STEPS - len(normal) % STEPS), (0, 0)))
        pieces = torch.tensor(normal, dtype=torch.float32).reshape(-1, 1, STEPS, 144)
        with torch.no_grad():
            found = [self.model.self_attn_layers(piece)[0] for piece in pieces]
            scores = [self.model.output_layer.output_projection(state)[0] for state in found]
        return torch.cat(scores).numpy()[: len(features)]

    def names(self, size: int) -> Any:
        return self.code.idx2chord if size == 25 else self.code.idx2voca_chord()


@pytest.fixture
def authors(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = needs_btc()
    monkeypatch.syspath_prepend(folder)
    monkeypatch.chdir(folder)
    # What NumPy took away since.
    monkeypatch.setattr(np, "float", float, raising=False)


def lengths() -> dict[str, Samples]:
    """Longer than 10 s: of less its authors' code makes nothing."""
    rest = chords((60, 65, 67, 62), each=2.6, rate=RATE)
    return {
        "three pieces": song(3, 23.4, RATE).mean(axis=1, dtype=np.float32),
        "a short rest": rest,
        "whole": song(5, 20.0, RATE).mean(axis=1, dtype=np.float32),
        "noise": noise(13.3, RATE),
    }


@pytest.mark.usefixtures("authors")
@pytest.mark.parametrize("size", [25, 170])
def test_features_scores_and_chords(size: int, tmp_path: Path) -> None:
    theirs, other = Theirs(size, 0), Theirs(size, 1)
    ours = Btc(theirs.save(tmp_path / "btc.pt"), device="cpu")
    names, path = theirs.names(size), tmp_path / "sound.wav"
    different = set()
    for kind, sound in lengths().items():
        soundfile.write(path, sound, RATE, subtype="FLOAT")
        features = theirs.features(path)
        expected = theirs.scores(features)
        heard = farthest(constant_q(sound), features)
        pieces = np.pad((features + 3.0) / 2.0, ((0, -len(features) % STEPS), (0, 0)))
        with torch.inference_mode():
            batch = torch.from_numpy(pieces.astype(np.float32)).reshape(-1, STEPS, 144)
            scores = ours._network(batch).reshape(-1, size).numpy()[: len(features)]
        right, wrong = farthest(scores, expected), farthest(scores, other.scores(features))
        report(f"btc {size} {kind}", features=heard, scores=right, wrong=wrong)
        assert heard <= SAME and right <= SAME and wrong >= MOVED
        best = [normal_chord(names[number]) for number in expected.argmax(axis=1)]
        (track,) = ours.extract(sound)
        middles = (np.arange(len(best)) + 0.5) * SECONDS / STEPS
        found = [
            next((span.name for span in track.spans if span.start <= at < span.end), None)
            for at in middles
        ]
        inside = middles < len(sound) / RATE
        assert [f for f, i in zip(found, inside, strict=True) if i] == [
            b for b, i in zip(best, inside, strict=True) if i
        ]
        different |= set(best)
    assert len(different) > 2
