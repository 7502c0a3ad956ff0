"""The built-in ear: what encoding takes of one core, a text, and a search from a cold start."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from indexer.synth.files import encode
from retrieval.audio import Resampler, open_audio, to_mono
from retrieval.core.payload import STANDARD_FIELDS, Payload
from retrieval.core.spaces import Level
from retrieval.core.tracks import SegmentRecord, Span, TrackRecord
from retrieval.encoders.audio_pass import forward_tracks, prepare_track
from retrieval.encoders.ear import EarEncoder
from retrieval.encoders.registry import EncoderSet, default_encoders
from retrieval.settings import DEFAULT_ENCODERS, Settings
from retrieval.store import open_store
from tests.bench import corpus
from tests.bench.clips import write_clips
from tests.bench.measure import Table, median, ms
from tests.bench.processes import segue

TEXTS = (
    *("calm piano", "fast rock music without drums", "a string quartet in a minor key"),
    *("bird song", "jazz with vibraphone and drums, slow and soft", "musique lente au violon"),
)


def run(*, seconds: float = 120.0, tracks: int = 1_000, rounds: int = 5) -> list[Table]:
    """Encode a file, read texts, and search a library of random vectors; processor time only."""
    ear = EarEncoder()
    return [_encoding(ear, seconds), _asking(ear, tracks, rounds)]


def _encoding(ear: EarEncoder, seconds: float) -> Table:
    with tempfile.TemporaryDirectory() as name:
        clip, rate = soundfile.read(write_clips(Path(name) / "clips", 1, seconds) / "clip0.wav")
    file = encode(clip.astype(np.float32), rate, "mp3")

    def mono() -> NDArray[np.float32]:
        with open_audio(file) as reader:
            sound = np.concatenate([to_mono(block) for block in reader.blocks()])
            return Resampler(reader.sample_rate, ear.sample_rate).push(sound, last=True)

    def whole() -> None:
        with open_audio(file) as reader:
            forward_tracks([prepare_track(reader, [ear])], [ear])

    sound = mono()
    size = int(ear.windowing.length * ear.sample_rate)
    windows = [sound[start : start + size] for start in range(0, len(sound) - size + 1, size)]
    ear.forward_audio([ear.prepare_audio(windows[0])])
    alone = _processor(lambda: ear.forward_audio([ear.prepare_audio(w) for w in windows]))
    spent = {
        "the encoder alone": alone * seconds / (len(windows) * ear.windowing.length),
        "decoding and resampling alone": _processor(mono),
        "a whole file, decoded to vectors": _processor(whole),
    }
    rows = tuple(
        (what, ms(cpu * 60.0 / seconds), f"{seconds / cpu:,.0f}x") for what, cpu in spent.items()
    )
    return Table(
        f"The ear on {seconds:.0f} s of MP3, one core",
        ("", "processor per minute", "real time"),
        rows,
        ("Aim: 100x real time at least, decoding included.",),
    )


def _asking(ear: EarEncoder, tracks: int, rounds: int) -> Table:
    _read(ear, TEXTS[0])
    each = [_processor(partial(_read, ear, text), times=20) for text in TEXTS]
    with tempfile.TemporaryDirectory() as name:
        data = Path(name)
        _fill(data, tracks)
        cold = [segue("search", TEXTS[0], "--data", data, "--json") for _ in range(rounds)]
        bare = [segue("--version") for _ in range(rounds)]
    rows = (
        ("a text, warm", ms(max(each)), "5 ms"),
        ("segue --version", ms(median([one.cpu for one in bare])), ""),
        (
            f"segue search, cold, {tracks:,} tracks",
            ms(median([one.cpu for one in cold])),
            "1.5 s",
        ),
    )
    return Table(
        f"Words to the ear: the slowest of {len(TEXTS)} texts, the median of {rounds} runs",
        ("", "processor", "aim"),
        rows,
    )


def _read(ear: EarEncoder, text: str) -> None:
    ear.forward_text([ear.prepare_text(text)])


def _fill(data: Path, tracks: int, segments: int = 20) -> None:
    """A library of the default spaces with random vectors, as large as real ones are."""
    encoders: EncoderSet = default_encoders(Settings(encoders=DEFAULT_ENCODERS))
    rng = np.random.default_rng(0)
    dense = [space for space in encoders.spaces() if Level.SEGMENT in space.levels]
    (lexical,) = encoders.words()

    def vectors() -> dict[str, NDArray[np.float32]]:
        return {s.name: rng.standard_normal(s.dim, dtype=np.float32) for s in dense}

    store = open_store(Settings(data_dir=data, qdrant_url=None, encoders=DEFAULT_ENCODERS))
    try:
        store.declare(encoders.spaces(), STANDARD_FIELDS)
        for start in range(0, tracks, 250):
            records = []
            for number in range(start, min(tracks, start + 250)):
                payload: Payload = {
                    "title": f"Song {number}",
                    "artist": f"Artist {number % 50}",
                    "duration": 10.0 * segments,
                }
                spans = [Span(10.0 * place, 10.0 * place + 10.0) for place in range(segments)]
                records.append(
                    TrackRecord(
                        corpus.track_id(number),
                        payload,
                        {**vectors(), lexical.space.name: lexical.encode_words(payload)},
                        tuple(SegmentRecord(span, vectors()) for span in spans),
                    )
                )
            store.write(records)
        store.optimize()
    finally:
        store.close()


def _processor(call: Callable[[], object], *, times: int = 1) -> float:
    began = time.process_time()
    for _ in range(times):
        call()
    return (time.process_time() - began) / times
