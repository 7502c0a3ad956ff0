"""One query in words: cold as the originals, cold and warm as ours."""

from __future__ import annotations

import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import psutil
from numpy.typing import NDArray

from retrieval.cli.child_service import ChildService
from retrieval.client import Client
from retrieval.core.queries import SearchRequest, TextQuery, WeightedQuery
from tests.bench import clamp3, clap
from tests.bench.clips import write_clips
from tests.bench.comparison import Subject
from tests.bench.measure import Table, median, ms, times
from tests.bench.processes import THREADS, Spent, segue, side_by_side, spend
from tests.bench.random_weights import TEXTS, ClapSize

CLIPS, SECONDS = 2, 10.0


def run(
    *, subjects: Sequence[Subject] | None = None, rounds: int = 2, queries: int = 40
) -> list[Table]:
    """Time different queries to a small library, none of which was asked before."""
    subjects = subjects or (
        Subject("clamp3", "CLAMP3", clamp3.ORIGINAL, clamp3.weights()),
        Subject("clap", "CLAP, HTSAT-tiny", clap.ORIGINAL, clap.weights(ClapSize())),
    )
    return [_compare(subject, rounds, list(TEXTS[:queries])) for subject in subjects]


def _compare(subject: Subject, rounds: int, texts: Sequence[str]) -> Table:
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        music = write_clips(place / "music", CLIPS, SECONDS)
        data = place / "data"
        segue("index", music, "--data", data, settings=subject.settings)
        segue("export", place / "npy", "--data", data, "--space", subject.space)
        original = ["-m", subject.original, "search", texts[0], str(place / "npy" / "features")]
        original += [str(place / "text.npy"), str(subject.weights)]
        with side_by_side(2) as lanes:
            theirs_cold = lanes.submit(lambda: [spend(original) for _ in range(rounds)])
            ours_cold = lanes.submit(
                lambda: [_search(one, subject.settings, "--data", data) for one in texts[:rounds]]
            )
            sides = {
                "original, cold": _middle(theirs_cold.result()),
                "segue search, cold": _middle(ours_cold.result()),
            }
        settings = subject.settings | {"SEGUE_TEXT_CACHE": "0"} | dict.fromkeys(THREADS, "1")
        with ChildService(data, "music", settings) as service:
            for text in texts[:3]:
                _search(text, {}, "--address", service.address)
            calls = [_search(text, {}, "--address", service.address) for text in texts[:5]]
            sides["segue search through segue serve"] = _middle(calls)
            with Client(service.address) as client:
                sides["a client of segue serve"] = _per_text(
                    lambda text: client.search(_request(text)), texts, with_children=True
                )
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(1, context, _one_thread) as pool:
            spent, vector = pool.submit(_encode, subject, list(texts)).result()
        sides["the encoder alone, warm"] = spent
        theirs = np.load(place / "text.npy")[0]
    cold = sides["original, cold"]
    rows = tuple(
        (
            side,
            _clock(one.cpu),
            times(cold.cpu / max(one.cpu, 1e-4)),
            _clock(one.wall),
            times(cold.wall / one.wall),
        )
        for side, one in sides.items()
    )
    cosine = float(theirs @ vector / np.linalg.norm(theirs) / np.linalg.norm(vector))
    return Table(
        f"A query in words, {subject.title}, one thread ({rounds} rounds cold, "
        f"{len(texts)} texts warm)",
        ("", "processor", "ratio", "time", "ratio"),
        rows,
        (
            "Aim: warm at least 100x. Of segue search through segue serve, the processor's time is "
            "the command's own.",
            f"The text's vectors, before any is stored: cosine {cosine:.7f}, "
            f"max |Δ| {np.abs(theirs - vector).max():.0e}.",
        ),
    )


def _clock(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else ms(seconds)


def _middle(runs: Sequence[Spent]) -> Spent:
    return Spent(median([one.cpu for one in runs]), median([one.wall for one in runs]), "")


def _search(text: str, settings: Mapping[str, str], *place: str | Path) -> Spent:
    return segue("search", text, *place, "--json", settings=settings)


def _request(text: str) -> SearchRequest:
    return SearchRequest((WeightedQuery(TextQuery(text)),))


def _per_text(
    ask: Callable[[str], object], texts: Sequence[str], *, with_children: bool = False
) -> Spent:
    """The median time of a text, and the mean of the processors' (its clock is too coarse)."""
    for text in texts[:3]:
        ask(text)
    walls, before = [], _processor(with_children)
    for text in texts:
        began = time.perf_counter()
        ask(text)
        walls.append(time.perf_counter() - began)
    return Spent((_processor(with_children) - before) / len(texts), median(walls), "")


def _processor(with_children: bool) -> float:
    this = psutil.Process()
    processes = [this, *(this.children(recursive=True) if with_children else ())]
    return sum(sum(process.cpu_times()[:2]) for process in processes)


def _one_thread() -> None:
    os.environ.update(dict.fromkeys(THREADS, "1"))


def _encode(subject: Subject, texts: Sequence[str]) -> tuple[Spent, NDArray[np.float32]]:
    from retrieval.encoders.protocol import TextEncoder
    from retrieval.encoders.registry import load

    encoder = load(subject.space, subject.weights)
    assert isinstance(encoder, TextEncoder)

    def encode(text: str) -> NDArray[np.float32]:
        (vector,) = encoder.forward_text([encoder.prepare_text(text)])
        return np.asarray(vector, dtype=np.float32)

    return _per_text(encode, texts), encode(texts[0])
