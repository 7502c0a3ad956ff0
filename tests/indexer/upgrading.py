"""An upgrade that dies when two files are done, in a process of its own: DATA MUSIC LOG."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from indexer import IndexOptions, Progress, Stage, index
from retrieval.encoders.lexical import LexicalEncoder
from retrieval.encoders.registry import EncoderSet
from retrieval.search import LocalLibrary
from retrieval.settings import Settings
from retrieval.store import open_store
from tests.indexer.encoders import SeededEncoder


def main(data: Path, music: Path, log: Path) -> None:
    def watch(now: Progress) -> None:
        if now.stage is Stage.INDEX and now.done >= 2:
            os.kill(os.getpid(), signal.SIGKILL)

    encoders = EncoderSet([SeededEncoder(log, 2), LexicalEncoder()])
    index(
        [music],
        LocalLibrary(open_store(Settings(data_dir=data)), encoders),
        encoders,
        manifest_dir=data / "manifests",
        options=IndexOptions(workers=1, batch=1, upgrade=frozenset()),
        progress=watch,
    )


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
