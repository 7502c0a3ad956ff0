"""A data folder with tiny models in it, so that every encoder can be loaded where PyTorch is."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib.util import find_spec

import pytest


@pytest.fixture(scope="package", autouse=True)
def tiny_models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Seeded random weights in the true file formats; nothing without the ``models`` extra."""
    folder = tmp_path_factory.mktemp("data")
    if find_spec("torch") and find_spec("transformers"):
        import torch

        # Tiny layers gain nothing from threads, which spin and starve the tests beside them.
        torch.set_num_threads(1)
        from tests.models.tiny import write_clamp3
        from tests.models.tiny_clap import write_hub

        write_hub(folder / "models" / "clap")
        write_clamp3(folder / "models" / "clamp3")
    before = {name: os.environ.get(name) for name in ("SEGUE_DATA_DIR", "SEGUE_DEVICE")}
    os.environ.update(SEGUE_DATA_DIR=str(folder), SEGUE_DEVICE="cpu")
    yield
    for name, value in before.items():
        if value is None:
            del os.environ[name]
        else:
            os.environ[name] = value
