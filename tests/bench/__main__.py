"""``make bench``: every section in one run, or those that are named."""

from __future__ import annotations

import os
import sys
import time

# Figures per core need libraries that keep to one; it must be said before NumPy is loaded.
for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

MODELS = ("clamp3", "clap", "text", "busy", "gpu")
SECTIONS = (
    "wire",
    "indexing",
    "engines",
    "updates",
    "describe",
    "video",
    "recommender",
    "ear",
    *MODELS,
)


def main(arguments: list[str]) -> int:
    """Run the sections; the exit code is 2 for one that does not exist."""
    import importlib

    from tests.bench.measure import machine, show

    chosen = list(arguments or SECTIONS)
    if "models" in chosen:
        place = chosen.index("models")
        chosen[place : place + 1] = MODELS
    unknown = [name for name in chosen if name not in SECTIONS]
    if unknown:
        known = ", ".join((*SECTIONS, "models"))
        print(f"no such section: {', '.join(unknown)}; use {known}", file=sys.stderr)
        return 2
    print(machine())
    for name in chosen:
        began = time.perf_counter()
        for table in importlib.import_module(f"tests.bench.{name}").run():
            show(table)
        print(f"  ({name}: {time.perf_counter() - began:.0f} s)", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
