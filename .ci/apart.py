"""Environments for tests beside packages that will not live with Segue's versions."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path


def install(
    pip: Sequence[str],
    needed: Sequence[str],
    alone: Sequence[str],
    *,
    segue: str = ".[models]",
    pins: Sequence[str] = (),
) -> bool:
    """Install Segue with some extras, and packages; whether it worked.

    What is ``needed`` gets what it asks for, in the versions of constraints.txt but for other
    ``pins``; what comes ``alone`` gets nothing, because it asks for other versions, or for more
    than the tests import.
    """
    names = tuple(f"{pin.partition('==')[0]}==" for pin in pins)
    lines = Path("constraints.txt").read_text().splitlines()
    shared = [line for line in lines if not line.startswith(("#", *names))]
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("\n".join([*shared, *pins]))
        file.flush()
        done = subprocess.run([*pip, "-c", file.name, "-e", segue, *needed], check=False)
    if done.returncode or subprocess.run([*pip, "--no-deps", *alone], check=False).returncode:
        print("Could not install: the lines above say why.", file=sys.stderr)
        return False
    return True


def without_libraries(venv: Path) -> None:
    """Take torchaudio's own libraries away.

    Built for CUDA, they stop its import beside a PyTorch for the CPU; spectrograms, all that is
    used of it, are plain PyTorch.
    """
    for library in venv.glob("lib/python*/site-packages/torchaudio/lib/*.so"):
        library.unlink()
