"""``segue index --labels``: chords and beats that were made elsewhere become facts of tracks."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from indexer.commit import Committer, Put
from indexer.describing import Described
from indexer.features_match import Matcher, SoundNames, Target
from indexer.formats import beats
from indexer.formats.beats import BeatTrack
from indexer.formats.chord_names import NO_CHORD, ROOTS, chord_names
from indexer.formats.chords import ChordTrack, read_chords
from indexer.formats.files import bad
from indexer.manifest import Manifest, RunLock, manifest_path
from indexer.report import Failure
from indexer.scan import FoundFile, printable, root_path, scan
from indexer.stopping import stopping_on_signals
from retrieval.core.errors import InvalidInputError, SegueError
from retrieval.core.keys import Key, parse_key
from retrieval.core.library import Library
from retrieval.core.payload import Payload
from retrieval.core.series import Series
from retrieval.describe import harmony
from retrieval.describe.chords import chord_findings
from retrieval.describe.harmony import Harmony
from retrieval.describe.protocol import Descriptor, Findings
from retrieval.describe.registry import load
from retrieval.encoders.registry import EncoderSet

CHORD_FILES, BEAT_FILES = frozenset({".lab", ".csv"}), frozenset({".beats"})
_MAJOR = frozenset({"maj", "7", "maj7", "maj6", "aug"})
_MINOR = frozenset({"min", "min7", "min6", "dim", "dim7", "hdim7"})
_TEMPO = (30.0, 300.0)


@dataclass(frozen=True, slots=True)
class LabelReport:
    """What an import of labels did.

    Attributes:
        found: Files of labels.
        chords: Tracks that were given chords.
        beats: Tracks that were given beats.
        failed: The rest, one line each, by path.
        seconds: Wall-clock time.
        interrupted: The run was stopped before it reached every file.
        notes: What is worth knowing but failed no file.
    """

    found: int
    chords: int
    beats: int
    failed: tuple[Failure, ...]
    seconds: float
    interrupted: bool
    notes: tuple[Failure, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """The object ``labels`` of ``segue index --labels --json``."""
        return asdict(self)

    def in_words(self) -> str:
        """A summary in a sentence."""
        told = f"{self.chords} tracks were given chords, {self.beats} beats"
        rest = f", {len(self.failed)} files failed" if self.failed else ""
        end = " Stopped early; the same command goes on." if self.interrupted else ""
        return f"Of {self.found} files of labels: {told}{rest}.{end}"


def import_labels(
    folder: Path,
    paths: Sequence[str | Path],
    library: Library,
    encoders: EncoderSet,
    *,
    manifest_dir: Path,
    progress: Callable[[int, int], None] | None = None,
    stop: threading.Event | None = None,
) -> LabelReport:
    """Give tracks chords and beats from files, in the place of those that were measured.

    They count as described by the version of our own descriptor that there is now: an index run
    measures again only once that is raised.

    Args:
        folder: Chords (``.lab`` at 1 Hz or in intervals, Omnizart's ``.csv``) and beats
            (``.beats``), each named like the sound file it belongs to.
        paths: Indexed files and folders of sound.
        library: Where to write; this run must be its only indexer.
        encoders: Those of the library, whose words change with the payload.
        manifest_dir: As in ``indexer.index``.
        progress: Called in this thread with how many files are done, and all.
        stop: Set it from another thread to end the run as Ctrl-C does.

    Raises:
        InvalidInputError: There is no such folder.
        StoreError: The library went away, or another run is using the manifest (STORE_LOCKED).
    """
    began = time.monotonic()
    stop = stop or threading.Event()
    failed: list[Failure] = []
    counts = {True: 0, False: 0}
    done = 0
    with stopping_on_signals(stop):
        found = scan([folder], stop=stop.is_set, wanted=is_labels)
        if not found.roots:
            raise InvalidInputError(f"{folder}: {found.failures[0].message}")
        failed.extend(found.failures)
        files = list(found.files.values())
        path = manifest_path(manifest_dir, library.info().id)
        with RunLock(path), contextlib.closing(Manifest(path, library.info().id)) as manifest:
            sounds = SoundNames(manifest, [root_path(os.fspath(one)) for one in paths])
            committer = Committer(library, manifest, encoders.words())
            for kind in (CHORD_FILES, BEAT_FILES):
                batch = [file for file in files if _suffix(file) in kind]
                matcher = Matcher(batch, None, sounds, manifest)
                for file in batch:
                    if stop.is_set():
                        break
                    put = _put(file, matcher, manifest, library)
                    if isinstance(put, Put):
                        refused = committer.apply([put]).refused
                        counts[kind is CHORD_FILES] += not refused
                        failed += [Failure(p, *why) for p, why in refused.items()]
                    else:
                        failed.append(put)
                    done += 1
                    if progress is not None:
                        progress(done, len(files))
    return LabelReport(
        found=len(files),
        chords=counts[True],
        beats=counts[False],
        failed=tuple(sorted(failed)),
        seconds=time.monotonic() - began,
        interrupted=stop.is_set() or found.stopped,
    )


def is_labels(path: str) -> bool:
    """Whether the extension is one of chords or beats, in any letter case."""
    return Path(path).suffix.lower() in CHORD_FILES | BEAT_FILES


def _suffix(file: FoundFile) -> str:
    return Path(file.path).suffix.lower()


def _put(file: FoundFile, matcher: Matcher, manifest: Manifest, library: Library) -> Put | Failure:
    target = matcher.match(file)
    if not isinstance(target, Target):
        return target
    tracks, rows = library.fetch([target.track_id]), manifest.files_of(target.track_id)
    if not tracks or not rows:
        return Failure(printable(file.path), "TRACK_NOT_FOUND", "its recording has gone meanwhile")
    try:
        described = _described(Path(file.path), tracks[0].payload)
    except SegueError as error:
        return Failure(printable(file.path), error.reason, error.message)
    return Put(rows[0], described=described)


def _described(path: Path, payload: Payload) -> Described:
    duration = payload.get("duration")
    seconds = float(duration) if isinstance(duration, int | float) else None
    if path.suffix.lower() in BEAT_FILES:
        return _as(load("rhythm"), beat_findings(beats.read(path)))
    track = read_chords(path)
    if track.missing:
        raise bad(path, "all of it is N: the recognition failed, so the chords are missing")
    return _as(load("chords"), _chord_findings(track, _key(track, payload), seconds))


def _as(descriptor: Descriptor, found: Findings) -> Described:
    return Described(
        versions={descriptor.name: descriptor.version},
        fields=frozenset(field.name for field in descriptor.fields),
        names=frozenset(series.name for series in descriptor.series),
        scalars=found.scalars,
        series=found.series,
    )


def beat_findings(track: BeatTrack) -> Findings:
    """Tempo, beats and downbeats, as ``retrieval.describe.rhythm`` has them."""
    times = np.asarray(track.times, dtype=np.float64)
    scalars: dict[str, Any] = {}
    if len(times) > 1:
        bpm = 60.0 / float(np.median(np.diff(times)))
        if _TEMPO[0] <= bpm <= _TEMPO[1]:
            scalars["bpm_measured"] = round(bpm, 1)
    downbeats = np.asarray(track.downbeats, dtype=np.float64)
    ones = np.ones(len(downbeats), dtype=np.uint8)
    places = np.asarray(track.numbers, dtype=np.uint8)
    return Findings(
        scalars, (Series("beats", places, times=times), Series("downbeats", ones, times=downbeats))
    )


def _chord_findings(track: ChordTrack, key: Key | None, seconds: float | None) -> Findings:
    """As our own chords, but for the series ``chords``, which keeps the names that were given."""
    length = max(track.spans[-1].end, seconds or 0.0)
    found = chord_findings(_harmony(track, length), key, length)
    names = chord_names()
    given = Series(
        "chords",
        np.asarray([names.index(span.name) for span in track.spans], dtype=np.uint8),
        times=np.asarray([span.start for span in track.spans]),
        ends=np.asarray([span.end for span in track.spans]),
        labels=names,
    )
    others = tuple(series for series in found.series if series.name != given.name)
    return Findings(found.scalars, (given, *others))


def _harmony(track: ChordTrack, length: float) -> Harmony:
    """Triads without beats, each in two steps, which is as long as a chord has to be."""
    edges, labels = [0.0], []
    for span in track.spans:
        for end, label in ((span.start, harmony.NO_CHORD), (span.end, _triad(span.name))):
            if end > edges[-1]:
                edges += [(edges[-1] + end) / 2, end]
                labels += [label, label]
    if length > edges[-1]:
        edges.append(length)
        labels.append(harmony.NO_CHORD)
    steps = np.asarray(labels, dtype=np.intp)
    return Harmony(np.asarray(edges), steps, np.zeros(len(steps), dtype=np.intp), None, 0.0)


def _triad(name: str) -> int:
    """The class of ``retrieval.describe.harmony`` that a chord contains, or that of none."""
    root, _, quality = name.partition(":")
    quality = quality or "maj"
    if name == NO_CHORD or quality not in _MAJOR | _MINOR:
        return harmony.NO_CHORD
    return ROOTS.index(root) + len(ROOTS) * (quality in _MINOR)


def _key(track: ChordTrack, payload: Payload) -> Key | None:
    """The key that the file names, or else that of the track."""
    if track.key is not None and (named := parse_key(track.key)) is not None:
        return named
    tonic, mode = payload.get("key"), payload.get("mode")
    return parse_key(f"{tonic} {mode or ''}") if isinstance(tonic, str) else None
