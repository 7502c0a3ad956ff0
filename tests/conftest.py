"""What every test may rely on, wherever it is run from."""

from __future__ import annotations

import os
import signal

# A shell's background job ignores Ctrl-C, and so would every process that a test starts and
# interrupts: a disposition to ignore is inherited, a handler is not.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# As encoders set it: before PyTorch is imported, which tests do themselves. Threads that spin while
# they wait take the processors from the tests beside them.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
