"""Write constraints.txt: the newest versions that fit pyproject.toml and each other.

Asks pip's resolver for the extras together and installs nothing.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

HEADER = """\
# Every version that `make` installs, direct or not; regenerate with `make constraints`.
# Without [laion]: laion-clap demands NumPy 1, so it is installed without this file, in an
# environment of its own.
"""
# laion-clap demands NumPy 1; everything else runs on NumPy 2. What crepe and beats bring asks for
# much that is never imported.
APART = {"laion", "crepe", "beats"}
# The version the encoders are tested with: a newer one may shift their vectors.
HELD = ["torch==2.13.0"]
# What torch's default wheel adds on Linux for graphics cards; unpinned, so that torch itself says.
ACCELERATOR = ("nvidia-", "cuda-", "triton")


def main() -> None:
    project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
    extras = ",".join(project["optional-dependencies"].keys() - APART)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed"]
    done = subprocess.run(
        [*pip, "--report", "-", "-e", f".[{extras}]", *HELD], check=True, stdout=subprocess.PIPE
    )
    pins = {
        item["metadata"]["name"].lower(): item["metadata"]["version"].split("+")[0]
        for item in json.loads(done.stdout)["install"]
        if item["metadata"]["name"] != project["name"]
    }
    lines = [
        f"{name}=={version}\n"
        for name, version in sorted(pins.items())
        if not name.startswith(ACCELERATOR)
    ]
    Path("constraints.txt").write_text(HEADER + "".join(lines))
    print(f"constraints.txt: {len(lines)} versions")


if __name__ == "__main__":
    main()
