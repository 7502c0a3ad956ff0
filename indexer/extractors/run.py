"""``segue extract``: every sound file once through every extractor that has not seen it."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from indexer.extractors.files import FileJob, Writer, read_bytes
from indexer.extractors.protocol import Extractor, ExtractorDescription, Mono
from indexer.extractors.record import RECORD, Record
from indexer.extractors.registry import descriptions, find, load
from indexer.extractors.report import ExtractReport, ModelReport
from indexer.features_names import source_names
from indexer.manifest import RunLock
from indexer.report import Failure
from indexer.scan import printable, scan
from indexer.stopping import stopping_on_signals
from retrieval.audio import IsolatedDecoder, Limits, Resampler, Sound, SoundDigest, to_mono
from retrieval.core.errors import InvalidInputError, PreconditionError, SegueError

_AHEAD = 2
"""Files that are decoded while another one is at work."""
_MIB = 1024 * 1024
_MAX_SAMPLES = 256 * _MIB
"""50 minutes in stereo at 44.1 kHz, 1 GiB; up to three such sounds are held at once."""


@dataclass(frozen=True, slots=True)
class ExtractOptions:
    """Choices of one run.

    Attributes:
        models: Names of extractors, in order.
        weights: Where the weights of some are, by model, or by ``folder`` of its description.
        models_dir: Folder that the others' are looked for in.
        device: Where networks run.
        overwrite: Replace files that are there and were made by something else.
        max_duration: Longest file, seconds.
    """

    models: Sequence[str]
    models_dir: Path
    weights: Mapping[str, Path] = field(default_factory=dict)
    device: str = "auto"
    overwrite: bool = False
    max_duration: float = 6 * 3600.0


@dataclass(slots=True)
class _Model:
    """One loaded extractor and what it has done."""

    description: ExtractorDescription
    extractor: Extractor
    report: ModelReport


def extract(
    paths: Sequence[str | Path],
    output: Path,
    options: ExtractOptions,
    *,
    progress: Callable[[int, int], None] | None = None,
    stop: threading.Event | None = None,
) -> ExtractReport:
    """Run extractors over sound files, and write what they give below the output folder.

    A file is decoded once for all extractors, and only if one of them has not seen it: what a
    finished file was made from is known by content and revision, so that a renamed file is copied,
    a replaced one is extracted again, and so is all of an extractor whose weights changed.

    Args:
        paths: Files and folders.
        output: Made if need be.
        options: Choices.
        progress: Called in this thread with how many pairs of file and model are done, and all.
        stop: Set it from another thread to end the run as Ctrl-C does.

    Returns:
        What happened, model by model; nothing is raised for one file or one model.

    Raises:
        InvalidInputError: There is no such extractor, or nothing at any of the paths.
        PreconditionError: No extractor could be loaded.
        StoreError: STORE_LOCKED: another run works on this folder.
        OSError: The output folder cannot be written.
    """
    began = time.monotonic()
    wanted = [find(name) for name in dict.fromkeys(options.models)]
    known = {name for one in descriptions() for name in (one.name, one.folder)}
    for name in options.weights.keys() - known:
        raise InvalidInputError(f"weights: there is no extractor {name[:40]!r}; see --list")
    stop = stop or threading.Event()
    with stopping_on_signals(stop), ExitStack() as stack:
        found = scan(paths, stop=stop.is_set)
        if not found.roots:
            raise InvalidInputError(found.failures[0].message if found.failures else "no path")
        output.mkdir(parents=True, exist_ok=True)
        stack.enter_context(RunLock(output / RECORD))
        record = stack.enter_context(Record(output))
        report = ExtractReport(found=len(found.files), failed=list(found.failures))
        models = _load(wanted, options, report, stack)
        names = source_names(found.files)
        writer = Writer(output, record, overwrite=options.overwrite)
        jobs = _prepared(list(names.items()), models, writer, options, stop)
        total = len(names) * len(models)
        for number, job in enumerate(jobs, 1):
            _work(job, writer, stop)
            if progress is not None:
                progress(number * len(models), total)
        report.interrupted = found.stopped or stop.is_set()
        report.seconds = time.monotonic() - began
        return report


def _load(
    wanted: Sequence[ExtractorDescription],
    options: ExtractOptions,
    report: ExtractReport,
    stack: ExitStack,
) -> list[_Model]:
    models: list[_Model] = []
    first: SegueError | None = None
    for description in wanted:
        one = ModelReport(description)
        report.models.append(one)
        place = options.models_dir / description.folder
        for name in (description.folder, description.name):
            place = options.weights.get(name, place)
        try:
            extractor = load(description, place, device=options.device)
        except SegueError as error:
            first = first or error
            one.unavailable = (error.reason, error.message)
            continue
        stack.callback(extractor.close)
        one.revision = extractor.revision
        models.append(_Model(description, extractor, one))
    if not models:
        raise first or PreconditionError("no extractor was asked for", reason="MODEL_MISSING")
    return models


@dataclass(slots=True)
class _Job:
    """One file on its way: the models that have not seen it, and its sound once it is there."""

    file: FileJob
    pending: list[_Model]
    sound: Future[tuple[Sound, str]] | None = None


def _prepared(
    files: Sequence[tuple[str, str]],
    models: Sequence[_Model],
    writer: Writer,
    options: ExtractOptions,
    stop: threading.Event,
) -> Iterator[_Job]:
    """Files in order, the next ones being decoded meanwhile in processes that may be killed."""
    limits = Limits(max_duration=options.max_duration)
    waiting: deque[_Job] = deque()
    with (
        IsolatedDecoder(
            children=_AHEAD, timeout=600.0, memory=2048 * _MIB, max_samples=_MAX_SAMPLES
        ) as decoder,
        ThreadPoolExecutor(_AHEAD) as threads,
    ):
        try:
            for path, name in files:
                if stop.is_set():
                    break
                job = _begin(path, name, models, writer)
                if job.pending:
                    job.sound = threads.submit(_decode, decoder, path, limits)
                waiting.append(job)
                while len(waiting) > _AHEAD:
                    yield waiting.popleft()
            while waiting and not stop.is_set():
                yield waiting.popleft()
        finally:
            for left in waiting:
                if left.sound is not None:
                    left.sound.cancel()
            if stop.is_set():
                decoder.close()


def _begin(path: str, name: str, models: Sequence[_Model], writer: Writer) -> _Job:
    try:
        digest = hashlib.blake2b(read_bytes(path), digest_size=16).hexdigest()
    except SegueError as error:
        for model in models:
            _fail(model, path, error)
        return _Job(FileJob(path, name, ""), [])
    file = FileJob(path, name, digest)
    pending = []
    for model in models:
        try:
            state = writer.settled(file, model.description, model.extractor.revision)
        except (SegueError, OSError) as error:
            _fail(model, path, error)
            continue
        model.report.cached += state == "cached"
        model.report.copied += state == "copied"
        if state is None:
            pending.append(model)
    return _Job(file, pending)


def _decode(decoder: IsolatedDecoder, path: str, limits: Limits) -> tuple[Sound, str]:
    sound = decoder.decode(read_bytes(path), limits, name=printable(path))
    digest = SoundDigest(sound.sample_rate, sound.channels)
    for block in sound.blocks():
        digest.update(block)
    return sound, digest.track_id()


def _work(job: _Job, writer: Writer, stop: threading.Event) -> None:
    if job.sound is None or stop.is_set():
        return
    try:
        sound, track = job.sound.result()
    except SegueError as error:
        for model in job.pending:
            _fail(model, job.file.path, error)
        return
    finally:
        job.sound = None
    mono = np.concatenate([to_mono(block) for block in sound.blocks()])
    rates: dict[int, Mono] = {}
    for model in job.pending:
        if stop.is_set():
            return
        began = time.monotonic()
        try:
            description, revision = model.description, model.extractor.revision
            if writer.same_sound(job.file, track, description, revision):
                model.report.copied += 1
                continue
            rate = description.sample_rate
            if rate not in rates:
                rates[rate] = Resampler(sound.sample_rate, rate).push(mono, last=True)
            contents = model.extractor.extract(rates[rate])
            writer.write(job.file, track, description, revision, contents)
        except Exception as error:  # One recording or one model never stops the others.
            _fail(model, job.file.path, error)
            continue
        model.report.made += 1
        model.report.audio_seconds += sound.duration
        model.report.seconds += time.monotonic() - began


def _fail(model: _Model, path: str, error: Exception) -> None:
    if isinstance(error, SegueError):
        reason, message = error.reason, error.message
    elif isinstance(error, OSError):
        reason, message = "FILE_UNWRITABLE", f"cannot be written: {error.strerror or error}"
    else:
        reason, message = "ENCODING_FAILED", f"{type(error).__name__}: {error}"
    shown = printable(path)
    message = " ".join(message.removeprefix(f"{shown}: ").split())[:500]
    model.report.failed.append(Failure(shown, reason, message))
