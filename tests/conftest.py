"""What every test may rely on, wherever it is run from."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.folders import fast

# A shell's background job ignores Ctrl-C, and so would every process that a test starts and
# interrupts: a disposition to ignore is inherited, a handler is not.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# As encoders set it: before PyTorch is imported, which tests do themselves. Threads that spin while
# they wait take the processors from the tests beside them.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# Encoders that tests make without naming a folder keep what they know of models in the user's own.
# Workers of one run share the first process's.
_OWN = "PYTEST_XDIST_WORKER" not in os.environ
if _OWN:
    os.environ["XDG_DATA_HOME"] = tempfile.mkdtemp(prefix="segue-tests-")


def pytest_unconfigure() -> None:
    """Remove the folder that stands for the user's."""
    if _OWN:
        shutil.rmtree(os.environ["XDG_DATA_HOME"], ignore_errors=True)


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A folder of this test alone, gone after it."""
    folder = Path(tempfile.mkdtemp(prefix="segue-test-", dir=fast()))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)
