"""Calibrations kept in the data folder, for commands that last no longer than one query.

One small file per library and space. What cannot be read or written is only measured again.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval.search.calibration import Curve, SpaceCalibration, WordCounts
from retrieval.settings import Settings

log = logging.getLogger(__name__)

FORMAT = 1
CHANGE = 0.1
"""Share of the tracks by which a library may grow or shrink before it is measured again."""


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """A calibration, and what it was measured on.

    Attributes:
        revision: Of the space.
        tracks: Tracks that had a vector then.
        of: The calibration.
    """

    revision: str
    tracks: int
    of: SpaceCalibration | WordCounts

    def holds(self, revision: str, tracks: int) -> bool:
        """Whether it still says something about a library with so many tracks."""
        return revision == self.revision and abs(tracks - self.tracks) <= CHANGE * self.tracks


def folder_of(settings: Settings) -> Path:
    """Where the calibrations of this data folder's libraries are kept."""
    # No library is called so: names start with a letter.
    return settings.data_dir / ".calibrations"


class CalibrationFolder:
    """Where calibrations are kept; safe from several processes."""

    def __init__(self, folder: Path) -> None:
        """Read nothing yet; the folder is made when there is something to keep."""
        self._folder = folder

    def load(self, library: str, space: str) -> Measured | None:
        """What was kept of a space of a library, if anything."""
        try:
            with np.load(self._path(library, space), allow_pickle=False) as arrays:
                return _measured(arrays)
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return None

    def save(self, library: str, space: str, measured: Measured) -> None:
        """Keep a calibration, whole or not at all."""
        path = self._path(library, space)
        part = path.with_name(f"{path.name}.{os.getpid()}")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with part.open("wb") as file:
                np.savez(file, allow_pickle=False, **_arrays(measured))
            part.replace(path)
        except OSError as error:
            log.warning("%s: cannot be kept: %s", path, error)
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)

    def _path(self, library: str, space: str) -> Path:
        digest = hashlib.blake2b(f"{library} {space}".encode(), digest_size=12).hexdigest()
        return self._folder / f"{digest}.npz"


def _arrays(measured: Measured) -> dict[str, NDArray[Any]]:
    arrays: dict[str, NDArray[Any]] = {
        "format": np.asarray(FORMAT),
        "revision": np.asarray(measured.revision),
        "tracks": np.asarray(measured.tracks),
    }
    of = measured.of
    if isinstance(of, WordCounts):
        counted = np.asarray(of.tracks)
        return {**arrays, "indices": of.indices, "counts": of.counts, "counted": counted}
    for name, curve in (("texts", of.texts), ("sounds", of.sounds)):
        if curve is not None:
            arrays[name] = np.asarray([curve.slope, curve.offset])
    return arrays


def _measured(arrays: Mapping[str, NDArray[Any]]) -> Measured | None:
    if int(arrays["format"]) != FORMAT:
        return None
    revision, tracks = str(arrays["revision"]), int(arrays["tracks"])
    if "indices" in arrays:
        counts = WordCounts(arrays["indices"], arrays["counts"], int(arrays["counted"]))
        return Measured(revision, tracks, counts)
    curves = {
        name: Curve(*map(float, arrays[name])) if name in arrays else None
        for name in ("texts", "sounds")
    }
    return Measured(revision, tracks, SpaceCalibration(**curves))
