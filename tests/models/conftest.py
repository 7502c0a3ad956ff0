"""Models in tests are tiny: threads gain them nothing, and spin beside other tests."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from retrieval.encoders import weights_catalogue
from retrieval.encoders.weights_catalogue import Weights
from tests.models.hub import COMMIT, Hub


@pytest.fixture(scope="package", autouse=True)
def one_thread() -> Iterator[None]:
    """PyTorch with a single thread, where there is PyTorch."""
    if find_spec("torch") is None:
        yield
        return
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="package", autouse=True)
def own_data_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Graphs that are exported for ONNX Runtime are kept, but not in the user's folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEGUE_DATA_DIR", str(tmp_path_factory.mktemp("data")))
        yield


@pytest.fixture(scope="package")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Hub, tuple[Weights, ...]]]:
    """A hub with tiny models, and the catalogue of them."""
    from tests.models.published import publish

    with Hub() as hub:
        yield hub, publish(hub, tmp_path_factory.mktemp("published"))


@pytest.fixture
def hub(
    served: tuple[Hub, tuple[Weights, ...]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Hub]:
    """The same for one test, which may break what it likes; the real hub is out of reach."""
    import huggingface_hub

    hub, weights = served
    files = dict(hub.files)
    monkeypatch.setattr(weights_catalogue, "WEIGHTS", weights)
    monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.delenv("HF_TOKEN", raising=False)
    # Read from the environment when the library was imported.
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "no-cache"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
    # It asks for megabytes at once, and forgets what is less when a line breaks.
    monkeypatch.setattr(huggingface_hub.constants, "DOWNLOAD_CHUNK_SIZE", 1_000)
    hub.asked.clear()
    yield hub
    hub.files, hub.commit = files, COMMIT
    hub.cut.clear()
    hub.errors.clear()
