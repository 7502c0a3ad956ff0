"""Make a virtual environment and install Segue into it, with pinned versions.

Usage: python install.py VENV EXTRAS, where EXTRAS are extras of pyproject.toml with commas between
them, or "base" for none.
Runs on any Python >= 3.11 with nothing installed.
"""

from __future__ import annotations

import fcntl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def main(venv: Path, extras: str) -> int:
    with environment(venv) as pip:
        what = "." if extras == "base" else f".[{extras}]"
        print(f"Installing {what} into {venv} (once; needs a package index)", flush=True)
        done = subprocess.run([*pip, "-c", "constraints.txt", "-e", what], check=False)
        if done.returncode:
            print("Could not install: the lines above say why.", file=sys.stderr)
            return 1
        # Several extras hold each of them, and any of them holds the base.
        for name in {"base", *extras.split(",")}:
            (venv / f".installed-{name}").touch()
    return 0


@contextmanager
def environment(venv: Path) -> Iterator[list[str]]:
    """Make it, or take it as it is, and give the command of its pip, locked against other makes."""
    with Path(f"{venv}.lock").open("w") as lock:
        # Held until this process ends, however it ends.
        fcntl.flock(lock, fcntl.LOCK_EX)
        python = venv / "bin" / "python"
        if not works(python):
            print(f"Making {venv} with Python {sys.version.split()[0]}", flush=True)
            subprocess.run([sys.executable, "-m", "venv", "--clear", str(venv)], check=True)
        yield [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]


def works(python: Path) -> bool:
    """Whether the environment's own Python starts; not so if it or the checkout has moved."""
    if not python.exists():
        return False
    return subprocess.run([str(python), "-m", "pip", "-V"], capture_output=True).returncode == 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2]))
