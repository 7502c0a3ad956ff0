"""What a GPU does: hours of sound per minute, and how close that comes to the networks alone."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from indexer import IndexOptions, index
from retrieval.audio import open_audio
from retrieval.encoders.audio_pass import forward_windows, prepare_track
from retrieval.encoders.clamp3 import Clamp3Encoder
from retrieval.encoders.clap import ClapEncoder
from retrieval.encoders.protocol import AudioEncoder
from retrieval.encoders.registry import EncoderSet
from retrieval.search import LocalLibrary
from retrieval.settings import Settings
from retrieval.store import open_store
from tests.bench import clamp3, clap
from tests.bench.clips import write_clips
from tests.bench.comparison import Subject
from tests.bench.measure import Table
from tests.bench.random_weights import CLAP_BASE, ClapSize

_WARM_UP = 2


def run(
    *,
    subjects: Sequence[Subject] | None = None,
    device: str = "cuda",
    clips: int = 96,
    seconds: float = 180.0,
) -> list[Table]:
    """Index ``clips`` clips on one device; without a GPU there is nothing to measure."""
    title = f"One GPU, {clips} clips of {seconds:g} s"
    if device == "cuda" and not torch.cuda.is_available():
        return [Table(title, ("",), (), ("Skipped: PyTorch finds no CUDA device here.",))]
    subjects = subjects or (
        Subject("clamp3", "CLAMP3", clamp3.ORIGINAL, clamp3.weights()),
        Subject("clap", "CLAP, HTSAT-tiny", clap.ORIGINAL, clap.weights(ClapSize())),
        Subject("clap", "CLAP, HTSAT-base", clap.ORIGINAL, clap.weights(CLAP_BASE)),
    )
    with tempfile.TemporaryDirectory() as name:
        music = write_clips(Path(name) / "music", clips, seconds)
        rows = [
            _measure(subject, device, music, Path(name) / f"data{number}")
            for number, subject in enumerate(subjects)
        ]
    what = torch.cuda.get_device_name() if device == "cuda" else device
    columns = ("", "hours of sound per minute", "the networks alone", "share", "encoder busy")
    remark = "The networks alone: prepared windows, in memory, one full batch after the other."
    return [Table(f"{title}, {what}", columns, tuple(rows), (remark,))]


def _measure(subject: Subject, device: str, music: Path, data: Path) -> tuple[str, ...]:
    kind = Clamp3Encoder if subject.space == "clamp3" else ClapEncoder
    encoder: Clamp3Encoder | ClapEncoder = kind(subject.weights, device=device)
    alone = _alone(encoder, sorted(music.iterdir()))
    encoders = EncoderSet([encoder])
    library = LocalLibrary(open_store(Settings(data_dir=data, qdrant_url=None)), encoders)
    try:
        report = index(
            [music],
            library,
            encoders,
            manifest_dir=data / "manifests",
            options=IndexOptions(device=device),
        )
    finally:
        library.close()
    return (
        subject.title,
        f"{report.speed / 60:.2f}",
        f"{alone / 60:.2f}",
        f"{report.speed / alone:.0%}",
        f"{report.encoder_share:.0%}",
    )


def _alone(encoder: AudioEncoder, paths: Sequence[Path]) -> float:
    """Seconds of sound per second through ``forward_audio`` alone."""
    features, seconds = [], 0.0
    for path in paths[:8]:
        with open_audio(path) as reader:
            track = prepare_track(reader, [encoder])
        features += [window.features for window in track.windows[encoder.space.name]]
        seconds += track.duration
    for _ in range(_WARM_UP):
        forward_windows(encoder, features)
    began = time.perf_counter()
    forward_windows(encoder, features)
    return seconds / (time.perf_counter() - began)
