"""Make the environment of `make test-laion`: laion-clap, what it forgets to ask for, and NumPy 1.

Usage: python laion.py VENV, with Python 3.11, the last one that all of these have wheels for.

Only what the tests import is installed: laion-clap asks for much more, such as wandb.
"""

from __future__ import annotations

import sys
from pathlib import Path

from apart import install, without_libraries
from install import environment

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
    with environment(venv) as pip:
        print(f"Installing laion-clap into {venv} (once; needs a package index)", flush=True)
        if not install(pip, NEEDED, ALONE, pins=PINS):
            return 1
        without_libraries(venv)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
