"""Our CLAP and LAION's own package on one checkpoint: the same vectors, to seven digits."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from retrieval.encoders.clap import ClapEncoder  # noqa: E402
from retrieval.encoders.clap_mel import MelFrontEnd  # noqa: E402
from retrieval.encoders.clap_windows import fill, to_int16  # noqa: E402
from tests.comparing import farthest, report  # noqa: E402
from tests.laion import sounds  # noqa: E402
from tests.laion.conftest import Pair  # noqa: E402
from tests.signals import Samples  # noqa: E402

SAME = 1e-6
MOVED = 1e-4
"""What a mistake must change a vector by, for the comparison to mean anything."""
TEXTS = [
    *("bird", "fast piano", "slow metal guitars drums", "a man gives a speech"),
    *("deep house with a steady kick drum " * 3, "loud " * 100),
]


def ours_of(encoder: ClapEncoder, windows: list[Samples], *, batch: int = 64) -> np.ndarray:
    prepared = [encoder.prepare_audio(window) for window in windows]
    parts = [prepared[at : at + batch] for at in range(0, len(prepared), batch)]
    return np.concatenate([encoder.forward_audio(part) for part in parts])


def theirs_of(module: Any, windows: list[Samples], *, batch: int = 1) -> np.ndarray:
    parts = [windows[at : at + batch] for at in range(0, len(windows), batch)]
    with torch.no_grad():
        return np.concatenate([module.get_audio_embedding_from_data(part) for part in parts])


def test_texts(pair: Pair) -> None:
    with torch.no_grad():
        theirs = pair.theirs.get_text_embedding(TEXTS)
        alone = np.concatenate([pair.theirs.get_text_embedding([text]) for text in TEXTS])
    tokens = [pair.ours.prepare_text(text) for text in TEXTS]
    ours = np.stack(pair.ours.forward_text(tokens))
    one_by_one = np.concatenate([pair.ours.forward_text([ids]) for ids in tokens])
    report("text", together=farthest(ours, theirs), alone=farthest(one_by_one, alone))
    assert max(farthest(ours, theirs), farthest(one_by_one, alone)) <= SAME
    # Texts differ by more than rounding.
    assert min(farthest(ours[i], theirs[j]) for i in range(6) for j in range(i)) >= MOVED


def test_windows(pair: Pair) -> None:
    windows = sounds.made()
    names, waves = list(windows), list(windows.values())
    alone, together = theirs_of(pair.theirs, waves), theirs_of(pair.theirs, waves, batch=4)
    ours = ours_of(pair.ours, waves)
    report("made", **{n: farthest(*rows) for n, *rows in zip(names, ours, alone, strict=True)})
    for one in (ours, ours_of(pair.ours, waves, batch=1)):
        assert farthest(one, alone) <= SAME
        assert farthest(one, together) <= SAME
    assert farthest(ours[0], alone[-1]) >= MOVED


def test_recordings(pair: Pair) -> None:
    windows = sounds.recorded()
    if not windows:
        pytest.skip("no recordings at ../shared/audio")
    names, waves = list(windows), list(windows.values())
    ours, theirs = ours_of(pair.ours, waves), theirs_of(pair.theirs, waves)
    report("recorded", **{n: farthest(*rows) for n, *rows in zip(names, ours, theirs, strict=True)})
    assert farthest(ours, theirs) <= SAME


def test_pure_tones(pair: Pair) -> None:
    """Between their partials there is nothing but rounding, of which LAION's code has its own."""
    windows = sounds.tones()
    names, waves = list(windows), list(windows.values())
    ours, theirs = ours_of(pair.ours, waves), theirs_of(pair.theirs, waves)
    branch = pair.theirs.model.audio_branch
    if pair.fused:
        rounding = np.zeros(len(waves))
    else:
        single = branch.spectrogram_extractor
        branch.spectrogram_extractor = Double(single)
        exact = theirs_of(pair.theirs, waves)
        branch.spectrogram_extractor = single
        rounding = np.abs(theirs - exact).max(axis=1)
    found = np.abs(ours - theirs).max(axis=1)
    report("tones", **dict(zip(names, found.tolist(), strict=True)))
    report("of it LAION's rounding", **dict(zip(names, rounding.tolist(), strict=True)))
    assert np.all(found <= SAME + 2 * rounding)
    assert rounding.max() <= 1e-5


@pytest.mark.parametrize("kind", ["made", "tones", "recorded"])
def test_mel(pair: Pair, kind: str) -> None:
    """As amplitudes, in which rounding is spread evenly, of the loudest in the window."""
    windows = getattr(sounds, kind)()
    if not windows:
        pytest.skip("no recordings at ../shared/audio")
    front = MelFrontEnd(torch.device("cpu"), fused=pair.fused)
    other = MelFrontEnd(torch.device("cpu"), fused=not pair.fused)
    single, double, wrong = [], [], []
    for wave in windows.values():
        ints = torch.from_numpy(fill(to_int16(wave)))[None]
        ours, theirs = amplitude(front(ints)[0, 0]), amplitude(their_mel(pair, wave))
        exact = amplitude(their_mel(pair, wave, dtype=torch.float64))
        peak = float(exact.max())
        single.append(farthest(ours, theirs) / peak)
        double.append(farthest(ours, exact) / peak)
        wrong.append(farthest(amplitude(other(ints)[0, 0]), exact) / peak)
    report(f"mel {kind}", as_it_is=max(single), in_double_precision=max(double))
    assert max(double) <= SAME
    # What is left is LAION's rounding: of sums in single precision, and of fused models' filters.
    assert max(single) <= 10 * SAME
    assert min(wrong) >= 100 * MOVED


def amplitude(decibels: torch.Tensor) -> np.ndarray:
    return 10 ** (decibels.double().numpy() / 20)


class Double(torch.nn.Module):
    """A module in double precision, between others in single."""

    def __init__(self, module: torch.nn.Module) -> None:
        super().__init__()
        self.module = copy.deepcopy(module).double()

    def forward(self, given: torch.Tensor) -> torch.Tensor:
        return self.module(given.double()).float()


def their_mel(pair: Pair, wave: Samples, *, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """What LAION's network is given to look at, (1001, 64), by its own code."""
    from laion_clap.training import data

    sound = torch.from_numpy(data.int16_to_float32(data.float32_to_int16(wave)))
    # The filters too are designed in the type that is the default.
    torch.set_default_dtype(dtype)
    try:
        made = data.get_audio_features(
            {},
            sound.to(dtype),
            480_000,
            "fusion" if pair.fused else "rand_trunc",
            "repeatpad",
            pair.theirs.model_cfg["audio_cfg"],
        )
    finally:
        torch.set_default_dtype(torch.float32)
    if pair.fused:
        return made["mel_fusion"][0]
    branch = pair.theirs.model.audio_branch
    with torch.no_grad():
        spectra = copy.deepcopy(branch.spectrogram_extractor).to(dtype)(made["waveform"][None])
        return copy.deepcopy(branch.logmel_extractor).to(dtype)(spectra)[0, 0]


SWAPPED = {
    "audio": "audio_branch.layers.3.blocks.0.attn.qkv.weight",
    "text": "text_branch.encoder.layer.6.output.dense.weight",
}


@pytest.mark.parametrize("tower", SWAPPED)
def test_one_wrong_tensor_shows(pair: Pair, tower: str, tmp_path: Path) -> None:
    from tests.laion.original import save

    name = SWAPPED[tower]
    tensor = pair.theirs.model.state_dict()[name]
    path = tmp_path / "swapped.pt"
    save(pair.theirs.model, path, **{f"module.{name}": tensor.flip(0)})
    (tmp_path / "tokenizer.json").write_bytes(
        (pair.checkpoint.parent / "tokenizer.json").read_bytes()
    )
    wrong = ClapEncoder(path, device="cpu")
    path.unlink()
    wave = sounds.made()["song"]
    text = TEXTS[:1]
    with torch.no_grad():
        heard = farthest(ours_of(wrong, [wave]), theirs_of(pair.theirs, [wave]))
        ids = wrong.prepare_text(text[0])
        read = farthest(wrong.forward_text([ids]), pair.theirs.get_text_embedding(text))
    report(f"wrong {tower} tensor", audio=heard, text=read)
    assert (heard >= MOVED, read >= MOVED) == (tower == "audio", tower == "text")
    assert min(heard, read) <= SAME


def test_wrong_windows_show(pair: Pair) -> None:
    """Another scale of the mel, padding or length moves a vector by more than the comparison."""
    whole, third = sounds.made()["song"], sounds.made()["a third"]
    theirs = theirs_of(pair.theirs, [whole, third])
    padded = np.zeros(480_000, np.float32)
    padded[: len(third)] = third
    mistakes = {
        "zeros after it": farthest(ours_of(pair.ours, [padded])[0], theirs[1]),
        "ten milliseconds late": farthest(ours_of(pair.ours, [whole[480:]])[0], theirs[0]),
        "half as loud": farthest(ours_of(pair.ours, [whole / 2])[0], theirs[0]),
        "eight bits": farthest(ours_of(pair.ours, [np.round(whole * 127) / 127])[0], theirs[0]),
    }
    report("mistakes", **mistakes)
    assert min(mistakes.values()) >= MOVED
