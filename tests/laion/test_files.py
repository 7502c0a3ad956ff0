"""What the encoder ``laion-clap`` takes and refuses, before the package has a say in it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from retrieval.core.errors import InvalidInputError, PreconditionError  # noqa: E402
from retrieval.encoders.clap_files import LaionCheckpoint, load_checkpoint  # noqa: E402
from retrieval.encoders.laion import LaionClapEncoder  # noqa: E402
from retrieval.encoders.laion_package import LaionModel  # noqa: E402
from retrieval.encoders.registry import load  # noqa: E402
from tests.laion.conftest import INSTALLED  # noqa: E402
from tests.models.tiny import write_tokenizer  # noqa: E402
from tests.models.tiny_clap import laion_state, tiny_clap, write_hub, write_laion  # noqa: E402


class Bomb:
    """Unpickling one writes a file."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return Path.touch, (self.mark,)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a checkpoint of a size that LAION never trained."""
    write_laion(tmp_path / "tiny.pt", tiny_clap(write_tokenizer(tmp_path / "tokenizer.json")))
    return tmp_path


def refused(source: Path, reason: str, **options: str) -> str:
    with pytest.raises(PreconditionError) as caught:
        load_checkpoint(source, **options)
    assert caught.value.reason == reason
    return caught.value.message


@pytest.mark.parametrize("named", ["folder", "file"])
def test_an_original_checkpoint_is_read_as_it_is(folder: Path, named: str) -> None:
    found = load_checkpoint(folder if named == "folder" else folder / "tiny.pt")
    assert isinstance(found, LaionCheckpoint)
    assert found.path == folder / "tiny.pt"
    saved = torch.load(found.path, weights_only=False)["state_dict"]
    assert {f"module.{name}" for name in found.state} == saved.keys()
    assert all(torch.equal(found.state[name], saved[f"module.{name}"]) for name in found.state)


@pytest.mark.parametrize("within", ["state_dict", "beside"])
def test_a_checkpoint_that_runs_code_is_refused_and_nothing_runs(
    folder: Path, tmp_path: Path, within: str
) -> None:
    mark = tmp_path / "ran"
    state: dict[str, Any] = laion_state(tiny_clap(36))
    content: dict[str, Any] = {"state_dict": state, "name": "x"}
    (state if within == "state_dict" else content)["bomb"] = Bomb(mark)
    torch.save(content, folder / "tiny.pt")
    assert "run code" in refused(folder, "MODEL_INVALID")
    with pytest.raises(PreconditionError):
        load_encoder(folder)
    assert not mark.exists()
    # It would have gone off in the loader of the package.
    torch.load(folder / "tiny.pt", weights_only=False)
    assert mark.exists()


def test_what_is_missing_is_named(folder: Path, tmp_path: Path) -> None:
    write_hub(tmp_path / "hub")
    assert "LAION's own" in refused(tmp_path / "hub", "MODEL_MISSING")
    assert "nowhere" in refused(tmp_path / "nowhere.pt", "MODEL_MISSING")
    (folder / "tokenizer.json").unlink()
    shutil.rmtree(tmp_path / "hub")
    assert "tokenizer.json" in refused(folder, "MODEL_MISSING")


def test_what_is_damaged_is_refused(folder: Path) -> None:
    assert "SHA-256" in refused(folder, "MODEL_INVALID", sha256="0" * 64)
    whole = (folder / "tiny.pt").read_bytes()
    (folder / "tiny.pt").write_bytes(whole[: len(whole) // 2])
    assert "truncated" in refused(folder, "MODEL_INVALID")


def test_a_size_that_the_package_lacks_is_refused(folder: Path) -> None:
    found = load_checkpoint(folder)
    with pytest.raises(PreconditionError, match="encoder clap may") as caught:
        LaionModel(
            found.path,
            found.state,
            found.arguments,
            None,
            device=torch.device("cpu"),
            windows=1,
            texts=1,
        )
    assert caught.value.reason == "MODEL_INVALID"


def load_encoder(folder: Path) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEGUE_CLAP_WEIGHTS", str(folder))
        return load("laion-clap")


@pytest.mark.skipif(INSTALLED, reason="the package is here")
def test_without_the_package_the_error_says_how_to_get_it(folder: Path) -> None:
    with pytest.raises(PreconditionError, match=r"pip install 'segue\[laion\]'") as caught:
        load_encoder(folder)
    assert caught.value.reason == "MODEL_MISSING"


def test_what_needs_no_weights() -> None:
    """Workers prepare with a copy that holds none, as here."""
    encoder = LaionClapEncoder.__new__(LaionClapEncoder)
    buffer = np.arange(500_000, dtype=np.float32)
    prepared = encoder.prepare_audio(buffer)
    assert prepared.shape == (480_000,)
    buffer[:] = 0  # It may be used again at once.
    assert prepared[1] == 1
    assert encoder.prepare_text("a bird") == "a bird"
    with pytest.raises(InvalidInputError):
        encoder.prepare_text(" \n")
