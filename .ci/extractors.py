"""Make the environments of `make test-extractors`: the packages that Segue's extractors follow.

Usage: python extractors.py VENV, with Python 3.11, the last one that madmom builds on. madmom gets
an environment of its own in it; where it cannot be built, its tests are skipped.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from apart import install, without_libraries
from install import environment

NEEDED = [
    *("resampy==0.4.3", "tqdm", "julius==0.2.8", "six==1.17.0", "einops==0.8.2"),
    *("rotary-embedding-torch==0.9.1", "pretty_midi==0.2.11", "mir_eval==0.8.2", "pyyaml"),
    *("pytest", "pytest-timeout"),
]
# Without what they ask for: TensorFlow, an older PyTorch, or what the tests never import.
ALONE = [
    *("torchcrepe==0.0.24", "torchopenl3==1.0.1", "beat-this==1.1.0", "basic-pitch==0.4.0"),
    "torchaudio==2.11.0",
]
# Before madmom, whose build looks for them and cannot ask.
FIRST = [
    *("numpy==1.26.4", "scipy==1.13.1", "cython==0.29.37", "mido==1.3.3"),
    *("setuptools==65.5.0", "wheel"),
]
MADMOM = "madmom==0.16.1"


def main(venv: Path) -> int:
    with environment(venv) as pip:
        print(f"Installing the originals into {venv} (once; needs a package index)", flush=True)
        if not install(pip, NEEDED, ALONE, segue=".[models,onnx,btc]"):
            return 1
        without_libraries(venv)
        with environment(venv / "madmom") as its_pip:
            regenerated = os.environ | {"CYTHON_FORCE_REGEN": "1"}
            if (
                subprocess.run([*its_pip, *FIRST]).returncode
                or subprocess.run(
                    [*its_pip, "--no-build-isolation", "--no-deps", MADMOM], env=regenerated
                ).returncode
            ):
                print("madmom could not be built: its tests will be skipped.", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
