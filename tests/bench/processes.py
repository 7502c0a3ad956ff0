"""What a command costs in a process tree of its own: processor seconds of all of it, and time.

``python -m tests.bench.processes COMMAND…`` runs one command and tells, so that several can be
measured at once.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True, slots=True)
class Spent:
    """What a command took, with all that it started, and what it printed."""

    cpu: float
    wall: float
    output: str


def spend(
    command: Sequence[str], settings: Mapping[str, str] | None = None, *, threads: int | None = 1
) -> Spent:
    """Run ``python COMMAND`` in a process of its own.

    Args:
        command: Arguments of this Python.
        settings: Environment variables; other ``SEGUE_…`` are not passed on.
        threads: For the libraries of numbers; None leaves it to them.

    Raises:
        RuntimeError: If it fails; with the end of what it said.
    """
    hidden = ("SEGUE_", *THREADS)
    environment = {k: v for k, v in os.environ.items() if not k.startswith(hidden)}
    environment |= {"HF_HUB_OFFLINE": "1", "PYTHONPATH": str(ROOT)} | dict(settings or {})
    if threads is not None:
        environment |= dict.fromkeys(THREADS, str(threads))
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.processes", sys.executable, *command],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{(done.stdout + done.stderr)[-2000:]}")
    output, _, told = done.stdout.rstrip("\n").rpartition("\n")
    return Spent(**json.loads(told), output=output.rstrip("\n"))


def segue(
    *arguments: str | Path, settings: Mapping[str, str] | None = None, threads: int | None = 1
) -> Spent:
    """Run a command of ours."""
    return spend(["-m", "retrieval.cli", *map(str, arguments)], settings, threads=threads)


def side_by_side(lanes: int) -> ThreadPoolExecutor:
    """Runs commands at once, as far as there is a core for each and one for the machine."""
    from retrieval.core.cores import usable_cores

    return ThreadPoolExecutor(max(1, min(lanes, usable_cores() - 1)))


def main(command: Sequence[str]) -> int:
    """Run one command and print what it took on the last line."""
    began = time.perf_counter()
    done = subprocess.run(command, check=False)
    wall = time.perf_counter() - began
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    print("\n" + json.dumps({"cpu": usage.ru_utime + usage.ru_stime, "wall": wall}))
    return done.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
