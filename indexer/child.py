"""Starting processes of our own that talk over one connection."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from collections.abc import Mapping
from multiprocessing.connection import Connection
from typing import Any


def start_child(
    module: str, environment: Mapping[str, str]
) -> tuple[subprocess.Popen[bytes], Connection[Any, Any]]:
    """Start ``module.main([descriptor])`` in a process of its own, and keep our end of its pipe.

    Args:
        module: Imported rather than run, so that both ends mean the same classes.
        environment: Of the process; the path of imports is added.
    """
    program = f"import sys; from {module} import main; main(sys.argv[1:])"
    ours, theirs = multiprocessing.Pipe()
    with theirs:
        process = subprocess.Popen(  # noqa: S603 - our own module and a number
            [sys.executable, "-P", "-c", program, str(theirs.fileno())],
            pass_fds=(theirs.fileno(),),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**environment, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
            # Away from the terminal, so that Ctrl-C reaches the parent alone.
            start_new_session=True,
        )
    return process, ours
