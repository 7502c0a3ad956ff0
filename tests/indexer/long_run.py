"""One index run over long sounds in a process of its own, to be killed: DATA MUSIC LOG."""

from __future__ import annotations

import sys
from pathlib import Path

from indexer import IndexOptions, index
from retrieval.encoders.registry import EncoderSet
from retrieval.search import LocalLibrary
from retrieval.settings import Settings
from retrieval.store import open_store
from tests.indexer.encoders import RawEncoder


def main(data: Path, music: Path, log: Path) -> None:
    encoders = EncoderSet([RawEncoder(log, pause=0.002)])
    index(
        [music],
        LocalLibrary(open_store(Settings(data_dir=data)), encoders),
        encoders,
        manifest_dir=data / "manifests",
        options=IndexOptions(workers=2, step=20.0, spool_from=100_000),
        progress=lambda now: print(now.stage.value, now.done, now.bytes_done, flush=True),
    )


if __name__ == "__main__":
    main(*(Path(argument) for argument in sys.argv[1:4]))
