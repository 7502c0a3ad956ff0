"""The encoder ``laion-clap``: the package's vectors, with no network and no pickle."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from retrieval.audio import Sound  # noqa: E402
from retrieval.core.errors import PreconditionError  # noqa: E402
from retrieval.encoders.audio_pass import forward_tracks, prepare_track  # noqa: E402
from retrieval.encoders.clap import ClapEncoder  # noqa: E402
from retrieval.encoders.laion import LaionClapEncoder  # noqa: E402
from retrieval.encoders.protocol import AudioEncoder, TextEncoder  # noqa: E402
from tests import signals  # noqa: E402
from tests.comparing import farthest  # noqa: E402
from tests.laion import sounds  # noqa: E402
from tests.laion.conftest import VARIANTS, Pair  # noqa: E402
from tests.models.tiny import write_tokenizer  # noqa: E402

# The encoder is the same code for each of them, and comparing it takes the small ones.
pytestmark = pytest.mark.parametrize("pair", [VARIANTS[0], VARIANTS[2]], indirect=True)
TEXTS = ["fast piano", "bird", "loud " * 100]


@pytest.fixture
def encoder(pair: Pair) -> LaionClapEncoder:
    return LaionClapEncoder(pair.checkpoint)


def test_vectors_are_the_packages_own(pair: Pair, encoder: LaionClapEncoder) -> None:
    assert isinstance(encoder, AudioEncoder)
    assert isinstance(encoder, TextEncoder)
    assert (encoder.space.name, encoder.space.dim) == ("laion-clap", 512)
    windows = list(sounds.made().values())[:4]
    prepared = [encoder.prepare_audio(window) for window in windows]
    heard = encoder.forward_audio(prepared)
    with torch.no_grad():
        assert farthest(heard, pair.theirs.get_audio_embedding_from_data(windows)) <= 1e-6
        read = pair.theirs.get_text_embedding(TEXTS)
    tokens = [encoder.prepare_text(text) for text in TEXTS]
    assert farthest(encoder.forward_text(tokens), read) <= 1e-6
    assert farthest(np.linalg.norm(heard, axis=1), np.ones(4)) <= 1e-6
    # A copy in another process, as the indexer makes it, has no weights until it needs them.
    packed = pickle.dumps(encoder)
    assert len(packed) < 10_000
    copy = pickle.loads(packed)  # noqa: S301 - just made
    assert copy.space == encoder.space
    assert farthest(copy.forward_audio(prepared[:1]), heard[:1]) <= 1e-6
    assert [len(encoder.forward_audio([])), len(encoder.forward_text([]))] == [0, 0]


def test_a_track_has_the_same_vectors_in_both_spaces(pair: Pair, encoder: LaionClapEncoder) -> None:
    both: list[AudioEncoder] = [encoder, pair.ours]
    track = Sound(signals.song(7, 33.0, 44_100), 44_100, "wav")
    (found,) = forward_tracks([prepare_track(track, both)], both)
    assert farthest(found.vectors["laion-clap"], found.vectors["clap"]) <= 1e-6
    assert len(found.segments) == 4
    for segment in found.segments:
        assert farthest(segment.vectors["laion-clap"], segment.vectors["clap"]) <= 1e-6
    revisions = {pair.ours.space.revision, encoder.space.revision}
    assert len(revisions) == 2


def test_the_revision_follows_the_weights(
    pair: Pair, encoder: LaionClapEncoder, tmp_path: Path
) -> None:
    from tests.laion.original import save

    state = pair.theirs.model.state_dict()
    # The package computes with the filters of the file, which clap designs by itself.
    filters = state["audio_branch.logmel_extractor.melW"]
    changed = {"module.audio_branch.logmel_extractor.melW": filters * 2}
    tokenizer = pair.checkpoint.with_name("tokenizer.json").read_bytes()
    revisions, spaces = set(), set()
    for name, tensors in (("same", {}), ("changed", changed)):
        (tmp_path / "tokenizer.json").write_bytes(tokenizer)
        path = tmp_path / f"{name}.pt"
        save(pair.theirs.model, path, **tensors)
        revisions.add(LaionClapEncoder(path).space.revision)
        spaces.add(ClapEncoder(path).space.revision)
        path.unlink()
    assert len(revisions) == 2
    assert encoder.space.revision in revisions
    assert spaces == {pair.ours.space.revision}


def test_anothers_tokenizer_or_tensors_are_refused(pair: Pair, tmp_path: Path) -> None:
    from tests.laion.original import save

    path = tmp_path / "random.pt"
    path.symlink_to(pair.checkpoint)
    write_tokenizer(tmp_path / "tokenizer.json", size=50_000)
    with pytest.raises(PreconditionError, match="another model's tokenizer"):
        LaionClapEncoder(path)
    (tmp_path / "tokenizer.json").write_bytes(
        pair.checkpoint.with_name("tokenizer.json").read_bytes()
    )
    path.unlink()
    bent = {"module.audio_projection.2.weight": torch.zeros(512, 511)}
    save(pair.theirs.model, path, **bent)
    with pytest.raises(PreconditionError, match="of another shape") as caught:
        LaionClapEncoder(path)
    path.unlink()
    assert caught.value.reason == "MODEL_INVALID"


OFFLINE = """
import socket, sys
def refuse(*_, **__): raise AssertionError("it asked for a network")
socket.getaddrinfo = socket.create_connection = socket.socket.connect = refuse
from retrieval.core.errors import PreconditionError
from retrieval.encoders.registry import load
try:
    encoder = load("laion-clap")
except PreconditionError as error:
    print("REFUSED", error.reason, error.message)
    sys.exit()
import numpy, transformers
made_over = [k for k in ("RobertaTokenizer", "BertTokenizer", "BartTokenizer", "RobertaModel")
             if "from_pretrained" in vars(getattr(transformers, k))]
assert not made_over, made_over
encoder.forward_audio([encoder.prepare_audio(numpy.ones(48_000, numpy.float32))])
print("VECTOR", *encoder.forward_text([encoder.prepare_text("fast piano")])[0])
"""


def in_a_new_process(pair: Pair, *places: Path, first: str = "") -> str:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "TRANSFORMERS_"))}
    paths = os.pathsep.join([*map(str, places), *sys.path])
    done = subprocess.run(
        [sys.executable, "-c", first + OFFLINE],
        env={**kept, "SEGUE_CLAP_WEIGHTS": str(pair.checkpoint), "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "meshgrid" not in done.stderr
    assert "onesided" not in done.stderr
    return done.stdout


def test_it_never_asks_for_a_network(pair: Pair, encoder: LaionClapEncoder) -> None:
    """From the first import on, with nothing in the hub's cache."""
    (line,) = [x for x in in_a_new_process(pair).splitlines() if x.startswith("VECTOR")]
    vector = np.array(line.split()[1:], dtype=np.float64)
    (expected,) = encoder.forward_text([encoder.prepare_text("fast piano")])
    assert farthest(vector, expected) <= 1e-6


def test_a_torchaudio_that_does_not_fit_is_explained(pair: Pair, tmp_path: Path) -> None:
    (tmp_path / "torchaudio.py").write_text('raise OSError("libcudart.so: cannot open")')
    said = in_a_new_process(pair, tmp_path)
    assert "REFUSED MODEL_MISSING" in said
    assert "libcudart.so" in said
    assert "of one release" in said


def test_without_torchaudio(pair: Pair) -> None:
    said = in_a_new_process(pair, first="import sys; sys.modules['torchaudio'] = None\n")
    # Only fused models look at sound through it.
    assert ("pip install 'segue[laion]'" in said) == pair.fused
    assert ("VECTOR" in said) == (not pair.fused)
