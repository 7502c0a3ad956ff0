"""What the comparison with LAION's own package shares."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from retrieval.encoders.clap import ClapEncoder

# Found, not imported: its import needs a network, unless it is made as in original.py.
INSTALLED = find_spec("laion_clap") is not None
VARIANTS = [
    pytest.param((amodel, fused), id=f"{amodel}-{'fused' if fused else 'unfused'}")
    for fused in (False, True)
    for amodel in ("HTSAT-tiny", "HTSAT-base")
]


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """One checkpoint, in LAION's code and in ours."""

    theirs: Any
    ours: ClapEncoder
    checkpoint: Path
    fused: bool


@pytest.fixture(autouse=True)
def plain_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is compared is PyTorch in single precision, whatever else is installed."""
    monkeypatch.setenv("SEGUE_RUNTIME", "torch")
    monkeypatch.setenv("SEGUE_PRECISION", "fp32")
    monkeypatch.setenv("SEGUE_DEVICE", "cpu")


@pytest.fixture(scope="module", params=VARIANTS)
def pair(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pair]:
    if not INSTALLED:
        pytest.skip("needs laion-clap, in an environment of its own: make test-laion")
    from tests.laion.original import write

    amodel, fused = request.param
    module, checkpoint = write(tmp_path_factory.mktemp("laion"), amodel, fused=fused)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEGUE_RUNTIME", "torch")
        ours = ClapEncoder(checkpoint, device="cpu")
    yield Pair(module, ours, checkpoint, fused)
    checkpoint.unlink()  # Hundreds of megabytes.
