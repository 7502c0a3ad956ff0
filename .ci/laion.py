"""Make the environment of `make test-laion`: laion-clap, what it forgets to ask for, and NumPy 1.

Usage: python laion.py VENV, with Python 3.11, the last one that all of these have wheels for.

Only what the tests import is installed: laion-clap asks for much more, such as wandb.
"""

from __future__ import annotations

import fcntl
import subprocess
import sys
import tempfile
from pathlib import Path

from install import works

# NumPy as laion-clap demands it; everything else as Segue has it.
PINS = ["numpy==1.26.4"]
NEEDED = [
    *("librosa", "torchlibrosa==0.1.0", "scikit-learn", "pandas==3.0.6", "h5py==3.16.0"),
    *("webdataset==1.0.2", "braceexpand==0.1.7", "wget==3.2", "ftfy==6.3.1", "regex", "tqdm"),
    *("pillow==13.0.0", "pytest", "pytest-timeout"),
]
# Without what they ask for, which is other versions of PyTorch and of NumPy. Later torchvisions
# can only be imported beside the PyTorch that they were built for.
ALONE = ["laion-clap==1.1.7", "torchvision==0.16.2", "torchaudio==2.11.0"]


def main(venv: Path) -> int:
    with Path(f"{venv}.lock").open("w") as lock:
        # Held until this process ends, however it ends.
        fcntl.flock(lock, fcntl.LOCK_EX)
        python = venv / "bin" / "python"
        if not works(python):
            print(f"Making {venv} with Python {sys.version.split()[0]}", flush=True)
            subprocess.run([sys.executable, "-m", "venv", "--clear", str(venv)], check=True)
        print(f"Installing laion-clap into {venv} (once; needs a package index)", flush=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as pins:
            pins.write("\n".join([*_shared(), *PINS]))
            pins.flush()
            done = subprocess.run([*pip, "-c", pins.name, "-e", ".[models]", *NEEDED], check=False)
        if done.returncode or subprocess.run([*pip, "--no-deps", *ALONE], check=False).returncode:
            print("Could not install: the lines above say why.", file=sys.stderr)
            return 1
        # Built for CUDA, they stop the import beside a PyTorch for the CPU; spectrograms, all that
        # is used here, are plain PyTorch.
        for library in venv.glob("lib/python*/site-packages/torchaudio/lib/*.so"):
            library.unlink()
    return 0


def _shared() -> list[str]:
    lines = Path("constraints.txt").read_text().splitlines()
    return [line for line in lines if not line.startswith(("#", "numpy=="))]


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
