"""Indexing throughput per core against a naive one-process librosa loop."""

from __future__ import annotations

import resource
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from indexer import IndexOptions, index
from indexer.synth.catalogue import catalogue
from indexer.synth.files import encode
from indexer.synth.mixing import render
from retrieval.core.cores import usable_cores
from retrieval.encoders.registry import default_encoders
from retrieval.search import LocalLibrary
from retrieval.settings import Settings
from retrieval.store import open_store
from tests.bench.measure import Table, median, times

# librosa reads these without the ffmpeg program.
FORMATS = ("wav", "flac", "ogg", "mp3")


def run(*, files: int = 16, pieces: int = 10, rounds: int = 3) -> list[Table]:
    """Compare on ``files`` files of ``pieces`` synthesised pieces each, about 12 s a piece."""
    from tests.bench import naive

    with tempfile.TemporaryDirectory() as name:
        paths, seconds = _corpus(Path(name) / "music", files, pieces)
        ours, loop, everywhere = [], [], []
        warnings.simplefilter("ignore")
        naive.track(paths[0])  # numba compiles on the first call
        for turn in range(rounds):
            loop.append(_spent(lambda: naive.index(paths)))
            one = Path(name) / f"one-{turn}"
            ours.append(_spent(lambda: _index(paths, one, workers=1)))  # noqa: B023
            many = Path(name) / f"many-{turn}"
            everywhere.append(_spent(lambda: _index(paths, many, workers=usable_cores())))  # noqa: B023
        agreement = _agreement(paths, naive.index(paths))
    cpu = [median([spent[0] for spent in side]) for side in (loop, ours, everywhere)]
    wall = [median([spent[1] for spent in side]) for side in (loop, ours, everywhere)]
    names = (
        "naive librosa loop",
        "segue index, 1 worker",
        f"segue index, {usable_cores()} workers",
    )
    rows = tuple(
        (
            name,
            f"{seconds / cpu[i]:.0f}",
            times(cpu[0] / cpu[i]),
            f"{seconds / wall[i]:.0f}",
            times(wall[0] / wall[i]),
        )
        for i, name in enumerate(names)
    )
    return [
        Table(
            f"Indexing: {files} files, {seconds / 60:.0f} min of sound, {rounds} rounds "
            "(seconds of sound per second)",
            ("", "per core second", "ratio", "per second", "ratio"),
            rows,
            (
                "A core second is processor time of all processes together; ours includes digests, "
                "tags, the manifest and the engine.",
                f"Both compute the ten dims; median rank correlation of a dim: {agreement:.2f}.",
            ),
        )
    ]


def _corpus(folder: Path, files: int, pieces: int) -> tuple[list[Path], float]:
    folder.mkdir(parents=True)
    everything = catalogue(max(4, -(-files * pieces // 10)))
    paths, seconds = [], 0.0
    for number in range(files):
        # Steps of files spread the styles over each file.
        chosen = everything[number::files][:pieces]
        sound = np.concatenate([p.gain * render(p.score, p.sample_rate, p.seed) for p in chosen])
        seconds += len(sound) / 44_100
        paths.append(folder / f"{number}.{FORMATS[number % len(FORMATS)]}")
        paths[-1].write_bytes(encode(sound, 44_100, FORMATS[number % len(FORMATS)]))
    return paths, seconds


def _index(paths: list[Path], data: Path, workers: int) -> LocalLibrary:
    encoders = default_encoders()
    library = LocalLibrary(open_store(Settings(data_dir=data, qdrant_url=None)), encoders)
    try:
        report = index(
            paths,
            library,
            encoders,
            manifest_dir=data / "manifest",
            options=IndexOptions(workers=workers),
        )
    finally:
        library.close()
    if report.indexed != len(paths):
        raise RuntimeError(f"not all files were indexed: {report}")
    return library


def _spent(work: Callable[[], Any]) -> tuple[float, float]:
    """Processor seconds, of children too, and wall-clock seconds."""

    def processor() -> float:
        usages = (
            resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
        )
        return sum(usage.ru_utime + usage.ru_stime for usage in usages)

    before, began = processor(), time.perf_counter()
    work()
    return processor() - before, time.perf_counter() - began


def _agreement(paths: list[Path], naive_rows: np.ndarray[Any, Any]) -> float:
    from retrieval.audio import open_audio
    from retrieval.encoders.audio_pass import forward_tracks, prepare_track

    encoders = [e for e in default_encoders().audio() if e.space.name == "perceptual"]
    prepared = []
    for path in paths:
        with open_audio(path) as reader:
            prepared.append(prepare_track(reader, encoders))
    rows = np.array([track.vectors["perceptual"] for track in forward_tracks(prepared, encoders)])
    ranks = [np.argsort(np.argsort(side, axis=0), axis=0).T for side in (rows, naive_rows)]
    return median([float(np.corrcoef(a, b)[0, 1]) for a, b in zip(*ranks, strict=True)])
