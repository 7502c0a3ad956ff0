"""What runs in madmom's own environment: ``python madmom_child.py``, with nothing of ours in it.

On its standard input and output: a line of JSON, then as many bytes as it says. A request is
``{"task": "beats" | "chords", "bytes": n}`` with float32 mono sound at 44.1 kHz; an answer is
``{"bytes": n}`` with a ``.npy`` file, ``{"chords": [[start, end, label], …]}``, or ``{"error":
…}``. The first line it writes is ``{"version": …}`` of madmom.
"""

from __future__ import annotations

import collections
import collections.abc
import io
import json
import sys
import traceback
import warnings
from typing import Any, BinaryIO

RATE = 44_100


def main() -> None:
    """Serve requests until the input ends."""
    warnings.simplefilter("ignore")
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    # What a library prints must not get between our lines.
    sys.stdout = sys.stderr
    _mend()
    import madmom

    _write(answers, {"version": str(madmom.__version__)})
    tasks: dict[str, Any] = {}
    while line := requests.readline():
        request = json.loads(line)
        sound = requests.read(request["bytes"])
        try:
            if request["task"] not in tasks:
                tasks[request["task"]] = _TASKS[request["task"]]()
            head, body = tasks[request["task"]](sound)
        except Exception:
            head, body = {"error": traceback.format_exc(limit=1).strip().splitlines()[-1]}, b""
        _write(answers, head, body)


def _write(stream: BinaryIO, head: dict[str, Any], body: bytes = b"") -> None:
    stream.write(json.dumps(head).encode() + b"\n" + body)
    stream.flush()


def _mend() -> None:
    """Give madmom 0.16.1 the names that Python 3.10 and NumPy 1.24 took away."""
    import numpy as np

    for name in ("MutableSequence", "MutableMapping", "Sequence", "Mapping", "Iterable"):
        if not hasattr(collections, name):
            setattr(collections, name, getattr(collections.abc, name))
    for name, value in (("float", float), ("int", int), ("bool", bool), ("object", object)):
        if name not in np.__dict__:
            setattr(np, name, value)


def _signal(sound: bytes) -> Any:
    import numpy as np
    from madmom.audio.signal import Signal

    return Signal(np.frombuffer(sound, dtype="<f4").copy(), sample_rate=RATE, num_channels=1)


def _beats() -> Any:
    import numpy as np
    from madmom.features.beats import RNNBeatProcessor

    processor = RNNBeatProcessor()

    def run(sound: bytes) -> tuple[dict[str, Any], bytes]:
        buffer = io.BytesIO()
        np.save(buffer, np.asarray(processor(_signal(sound)), dtype="<f4"), allow_pickle=False)
        return {"bytes": buffer.tell()}, buffer.getvalue()

    return run


def _chords() -> Any:
    from madmom.features.chords import CNNChordFeatureProcessor, CRFChordRecognitionProcessor

    features, recognition = CNNChordFeatureProcessor(), CRFChordRecognitionProcessor()

    def run(sound: bytes) -> tuple[dict[str, Any], bytes]:
        found = recognition(features(_signal(sound)))
        spans = [[float(start), float(end), str(label)] for start, end, label in found]
        return {"chords": spans}, b""

    return run


_TASKS = {"beats": _beats, "chords": _chords}

if __name__ == "__main__":
    main()
