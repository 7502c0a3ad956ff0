"""Series of tracks, in files of their own beside the vectors.

``<folder>/<two characters>/<track id>.npz`` holds all series of a track; those of classes or
moments lie beside it as ``<track id>.<series>.lab`` too, a line ``start end label`` or ``time
label`` each, which other programs read. Only checked track ids become part of a path.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import threading
import zipfile
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from retrieval.core.errors import StoreError
from retrieval.core.series import SERIES_NAME, Series
from retrieval.core.tracks import check_track_id
from retrieval.settings import Settings


class SeriesFolder:
    """The series of one library. Safe from several threads; each file is replaced in one go."""

    def __init__(self, folder: Path) -> None:
        """Name the folder, which is made with the first series.

        Args:
            folder: For the series of one library alone.
        """
        self._folder = folder
        self._lock = threading.Lock()

    @classmethod
    def of(cls, settings: Settings) -> SeriesFolder:
        """That of the library that the settings name, in the data folder of this machine."""
        return cls(settings.data_dir / "series" / settings.library)

    def read(self, track_id: str, names: Collection[str] = ()) -> tuple[Series, ...]:
        """Those of these names that a track has, or all, by name.

        Raises:
            InvalidInputError: If the id is none.
            StoreError: STORE_CORRUPT if the file is damaged.
        """
        path = self._path(track_id)
        try:
            with np.load(path, allow_pickle=False) as arrays:
                found = {key.partition(".")[0] for key in arrays.files}
                wanted = found.intersection(names) if names else found
                return tuple(_unpacked(name, arrays) for name in sorted(wanted))
        except FileNotFoundError:
            return ()
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise StoreError(
                f"{path}: damaged series: {error}; remove the file and index again",
                reason="STORE_CORRUPT",
            ) from error

    def write(
        self, track_id: str, series: Sequence[Series], *, replacing: Iterable[str] = ()
    ) -> None:
        """Keep these series of a track, in the place of earlier ones of the same names.

        Args:
            track_id: The track.
            series: What there is now.
            replacing: Names of which nothing else is to stay.

        Raises:
            StoreError: If the folder cannot be written.
        """
        path = self._path(track_id)
        gone = {*replacing, *(one.name for one in series)}
        with self._lock, _writing(path):
            kept = [one for one in self._readable(track_id) if one.name not in gone]
            everything = [*kept, *series]
            for name in gone:
                _label_path(path, name).unlink(missing_ok=True)
            if not everything:
                path.unlink(missing_ok=True)
                return
            path.parent.mkdir(parents=True, exist_ok=True)
            arrays: dict[str, Any] = {}
            for one in everything:
                arrays |= _packed(one)
            part = path.with_suffix(".part")
            with part.open("wb") as stream:
                np.savez_compressed(stream, **arrays)
            part.replace(path)
            for one in series:
                if one.labels or one.times is not None:
                    _replace(_label_path(path, one.name), one.lines())

    def delete(self, track_ids: Iterable[str]) -> None:
        """Forget all series of these tracks."""
        for track_id in track_ids:
            path = self._path(track_id)
            with self._lock, _writing(path):
                if path.parent.is_dir():
                    for file in path.parent.glob(f"{path.stem}.*"):
                        file.unlink(missing_ok=True)

    def copy_to(self, other: SeriesFolder) -> None:
        """Bring all series to another folder, unless it is the same.

        Raises:
            StoreError: If that cannot be written.
        """
        if self._folder.is_dir() and self._folder.resolve() != other._folder.resolve():
            with _writing(other._folder):
                shutil.copytree(self._folder, other._folder, dirs_exist_ok=True)

    def _readable(self, track_id: str) -> tuple[Series, ...]:
        # What is damaged is made anew rather than kept.
        with contextlib.suppress(StoreError):
            return self.read(track_id)
        return ()

    def _path(self, track_id: str) -> Path:
        check_track_id(track_id)
        name = track_id
        if name != name.lower():
            # On some file systems two names that differ in case alone are one.
            digest = hashlib.blake2b(track_id.encode(), digest_size=8).hexdigest()
            name = f"{track_id.lower()}-{digest}"
        return self._folder / name[:2] / f"{name}.npz"


def _label_path(path: Path, name: str) -> Path:
    if not SERIES_NAME.match(name):
        raise ValueError(f"{name!r} is no name of a series")
    return path.with_suffix(f".{name}.lab")


def _replace(path: Path, text: str) -> None:
    part = path.with_suffix(".part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


@contextlib.contextmanager
def _writing(path: Path) -> Any:
    try:
        yield
    except OSError as error:
        raise StoreError(f"{path}: cannot be written: {error.strerror or error}") from error


def _packed(series: Series) -> dict[str, Any]:
    words = json.dumps({"labels": series.labels, "unit": series.unit, "rate": series.rate})
    arrays = {
        "values": series.values,
        "words": np.frombuffer(words.encode(), dtype=np.uint8),
        "times": series.times,
        "ends": series.ends,
    }
    return {f"{series.name}.{key}": value for key, value in arrays.items() if value is not None}


def _unpacked(name: str, arrays: Any) -> Series:
    def part(key: str) -> Any:
        return arrays[f"{name}.{key}"] if f"{name}.{key}" in arrays.files else None

    words = json.loads(bytes(arrays[f"{name}.words"]))
    return Series(
        name,
        arrays[f"{name}.values"],
        rate=words["rate"],
        times=part("times"),
        ends=part("ends"),
        labels=tuple(words["labels"]),
        unit=words["unit"],
    )
