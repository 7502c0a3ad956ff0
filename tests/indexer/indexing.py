"""One index run in a process of its own, to be killed: DATA MUSIC LOG PRUNE."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from indexer import IndexOptions, index
from retrieval.encoders.registry import EncoderSet, load
from retrieval.search import LocalLibrary
from retrieval.settings import Settings
from retrieval.store import open_store
from tests.indexer.encoders import CountingPerceptual


def main(data: Path, music: Path, log: Path, *, prune: bool) -> None:
    encoders = EncoderSet([CountingPerceptual(log), load("lexical")])
    print("ready", flush=True)
    library = LocalLibrary(open_store(Settings(data_dir=data)), encoders)
    report = index(
        [music],
        library,
        encoders,
        manifest_dir=data / "manifests",
        options=IndexOptions(workers=2, batch=3, prune=prune),
        progress=lambda now: print(now.stage.value, now.done, flush=True),
    )
    library.close()
    print(json.dumps(report.as_dict()), flush=True)


if __name__ == "__main__":
    main(*(Path(argument) for argument in sys.argv[1:4]), prune=sys.argv[4] == "prune")
