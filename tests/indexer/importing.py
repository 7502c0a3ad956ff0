"""Importing vectors into the library of a ``Place``."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np

from indexer import IndexReport
from indexer.features import FeatureOptions, index_features
from indexer.features_report import FeatureReport
from indexer.options import IndexOptions
from retrieval.encoders.registry import EncoderSet
from tests.indexer.conftest import Place

DIM = 8


def vector(seed: int, dim: int = DIM) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(1, dim)).astype(np.float32)


def save(place: Place, name: str, array: np.ndarray) -> Path:
    path = features(place) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, array)
    return path


def features(place: Place) -> Path:
    return place.music.parent / "features"


def run(
    place: Place,
    *paths: Path,
    space: str | None = "other",
    prune: bool = False,
    stop: threading.Event | None = None,
    folder: Path | None = None,
    **options: object,
) -> tuple[IndexReport, FeatureReport]:
    sound, report = index_features(
        folder or features(place),
        paths,
        place.library,  # type: ignore[arg-type]
        EncoderSet(place.encoders),
        manifest_dir=place.data / "manifests",
        options=FeatureOptions(space, sound=IndexOptions(workers=1, prune=prune), **options),  # type: ignore[arg-type]
        stop=stop,
    )
    if not report.interrupted:
        settled = report.added + report.updated + report.unchanged + report.duplicates
        assert report.found == settled + len(report.failed)
    return sound, report


def reasons(report: FeatureReport) -> dict[str, str]:
    return {Path(failure.path).name: failure.reason for failure in report.failed}


def held(place: Place, name: str, space: str = "other") -> np.ndarray | None:
    """The vector of the track of a sound file."""
    (record,) = [r for r in place.records() if str(place.music / name) in r.payload["paths"]]
    return record.vectors.get(space)


def alike(found: np.ndarray | None, wanted: np.ndarray) -> bool:
    if found is None:
        return False
    return float(found @ wanted.ravel() / np.linalg.norm(wanted)) > 0.999
