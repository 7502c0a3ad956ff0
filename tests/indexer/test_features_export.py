"""Out of one real library and into another: the same tracks, the same vectors to the bit."""

from __future__ import annotations

import errno
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from indexer.features import FeatureOptions, index_features
from indexer.features_export import ExportOptions, ExportReport, export_features
from indexer.features_report import FeatureReport
from indexer.features_table import export_table
from indexer.options import IndexOptions
from retrieval.core.errors import BusyError, InvalidInputError, PreconditionError
from retrieval.core.filters import Equals
from retrieval.core.payload import Field, FieldType
from retrieval.core.spaces import SparseVector
from retrieval.core.tracks import TrackRecord, TrackUpdate
from retrieval.encoders.registry import EncoderSet
from retrieval.search import LocalLibrary
from tests.indexer.conftest import Place
from tests.indexer.encoders import BandsEncoder


@pytest.fixture(scope="module")
def indexed(tmp_path_factory: pytest.TempPathFactory, template: Path) -> Place:
    """Three recordings with tags, metadata, and vectors in two spaces; closed."""
    place = Place(tmp_path_factory.mktemp("indexed"), template)
    place.encoders.append(BandsEncoder())
    place.song("Album/one.wav", 1, seconds=2.5, title="One", artist="Ada", genre="jazz")
    place.song("Album/Disc 2/two.flac", 2, title="Two", year=1977)
    place.song("three.wav", 3)
    sidecar = place.music.parent / "more.csv"
    sidecar.write_text("path,mood,stars\nthree.wav,calm,4\n")
    assert place.index(metadata=sidecar).indexed == 3
    place.close()
    return place


@pytest.fixture
def full(indexed: Place, tmp_path: Path) -> Iterator[Place]:
    """A copy of that library, over the same music."""
    place = Place(tmp_path / "full", indexed.data)
    place.encoders.append(BandsEncoder())
    assert place.store is not None
    place.library = LocalLibrary(place.store, EncoderSet(place.encoders))
    place.music = indexed.music
    yield place
    place.close()


def export(place: Place, folder: Path, *spaces: str, **options: object) -> ExportReport:
    chosen = ExportOptions(spaces, **options)  # type: ignore[arg-type]
    return export_features(place.library, folder, chosen)  # type: ignore[arg-type]


def fill(place: Place, folder: Path, *paths: Path, **options: object) -> FeatureReport:
    return index_features(
        folder,
        paths,
        place.library,  # type: ignore[arg-type]
        EncoderSet(place.encoders),
        manifest_dir=place.data / "manifests",
        options=FeatureOptions(**({"sound": IndexOptions(workers=1)} | options)),  # type: ignore[arg-type]
    )[1]


def lines(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / "tracks.jsonl").read_text().splitlines()]


def names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*.npy")}


def assert_same(old: list[TrackRecord], new: list[TrackRecord], *spaces: str) -> None:
    assert [record.id for record in old] == [record.id for record in new]
    for one, other in zip(old, new, strict=True):
        assert one.payload == other.payload
        for space in spaces:
            for a, b in zip(flat(one, space), flat(other, space), strict=True):
                assert np.array_equal(a, b), space


def flat(record: TrackRecord, space: str) -> tuple[np.ndarray, ...]:
    vector = record.vectors[space]
    return (vector.indices, vector.values) if isinstance(vector, SparseVector) else (vector,)


def test_the_layout_is_that_of_the_reference(full: Place, tmp_path: Path) -> None:
    report = export(full, tmp_path / "out", "bands")
    folder = tmp_path / "out" / "features"
    assert (report.tracks, report.written, report.failed) == (3, 3, ())
    assert names(folder) == {"Album/one.npy", "Album/Disc 2/two.npy", "three.npy"}
    by_id = {record.id: record for record in full.records()}
    for line in lines(folder):
        array = np.load(folder / str(line["file"]), allow_pickle=False)
        assert (array.dtype, array.shape) == (np.float32, (1, 4))
        assert np.array_equal(array[0], by_id[str(line["track"])].vectors["bands"])
        assert (line["space"], line["revision"], line["dim"]) == ("bands", "bands-1", 4)
    two = export(full, tmp_path / "both")
    assert two.folder.keys() == {"bands", "perceptual"}
    assert names(tmp_path / "both" / "features") == {
        f"{space}/{name}" for space in two.folder for name in names(folder)
    }


def test_export_and_import_give_the_same_library(
    full: Place, template: Path, tmp_path: Path
) -> None:
    full.library.declare([], [Field("made", FieldType.INTEGER, "by us", computed=True)])
    exported = export(full, tmp_path / "out")
    before = full.records()
    other = Place(tmp_path / "other", template)
    other.encoders = full.encoders
    full.work()
    for folder in exported.folder.values():
        assert fill(other, Path(folder)).added == 3
    assert_same(before, other.records(), "bands", "lexical")
    assert other.library.declare([]).fields["mood"].type is FieldType.KEYWORD
    assert other.library.declare([]).fields["made"].computed
    for folder in exported.folder.values():
        assert fill(other, Path(folder)).unchanged == 3
    # The sound turns up: they are the same recordings, with nothing left to encode.
    other.music = full.music
    report = other.index(metadata=full.music.parent / "more.csv")
    assert (report.updated + report.indexed, report.failed) == (3, ())
    assert "forward" not in full.log.lines()
    assert_same(before, other.records(), "bands", "perceptual", "lexical")
    other.close()


def test_an_export_finds_its_recordings_under_any_name(
    full: Place, template: Path, tmp_path: Path
) -> None:
    report = export(full, tmp_path / "out", "bands")
    before = full.records()
    full.close()
    other = Place(tmp_path / "other", template)
    for number, path in enumerate(sorted(full.music.rglob("*.*"))):
        (other.music / f"{number}{path.suffix}").write_bytes(path.read_bytes())
    assert fill(other, Path(report.folder["bands"]), other.music).added == 3
    for old, new in zip(before, other.records(), strict=True):
        assert old.id == new.id
        assert np.array_equal(old.vectors["bands"], new.vectors["bands"])
    other.close()


def test_names_that_are_alike_get_the_tracks_ids(place: Place, tmp_path: Path) -> None:
    place.song("x/a.wav", 1)
    place.song("x/A.flac", 2)
    place.song("x/a.flac", 3)
    place.song("b.wav", 4)
    place.index()
    report = export(place, tmp_path)
    folder = tmp_path / "features"
    found = names(folder)
    assert len(found) == 4
    assert {name for name in found if "~" not in name} == {"b.npy"}
    assert {f"x/{name}" for name in ("a", "A")} == {n.split("~")[0] for n in found if "~" in n}
    assert set(report.renamed.values()) == found - {"b.npy"}
    assert all(name.split("~")[1][:8] == i[:8] for i, name in report.renamed.items())


def test_a_second_export_writes_only_what_changed(full: Place, tmp_path: Path) -> None:
    export(full, tmp_path, "bands")
    assert export(full, tmp_path, "bands").unchanged == 3
    folder = tmp_path / "features"
    (folder / "three.npy").unlink()
    (one,) = [record for record in full.records() if record.payload["title"] == "One"]
    other = np.array([0.1, 0.2, 0.3, 0.4], np.float32)
    full.library.update([TrackUpdate(one.id, one.payload, {"bands": other})])
    report = export(full, tmp_path, "bands")
    assert (report.written, report.unchanged, report.failed) == (2, 1, ())
    report = export(full, tmp_path, "bands", filter=Equals("mood", "calm"))
    assert (report.tracks, report.unchanged) == (1, 1)
    assert [note.reason for note in report.notes] == ["STALE_FILES"]
    assert [line["file"] for line in lines(folder)] == ["three.npy"]


def test_foreign_files_are_never_overwritten(full: Place, tmp_path: Path) -> None:
    folder = tmp_path / "features"
    folder.mkdir()
    (folder / "three.npy").write_bytes(b"mine")
    report = export(full, tmp_path, "bands")
    assert [(Path(f.path).name, f.reason) for f in report.failed] == [("three.npy", "FILE_EXISTS")]
    assert (folder / "three.npy").read_bytes() == b"mine"
    assert len(lines(folder)) == 2
    with pytest.raises(PreconditionError) as caught:
        export(full, tmp_path, "perceptual")
    assert caught.value.reason == "TARGET_NOT_EMPTY"
    assert export(full, tmp_path, "bands", overwrite=True).written == 1
    assert export(full, tmp_path, "perceptual", overwrite=True).written == 3


def test_an_import_tells_an_export_that_is_incomplete_or_damaged(
    full: Place, tmp_path: Path
) -> None:
    export(full, tmp_path, "bands")
    folder = tmp_path / "features"
    whole = (folder / "tracks.jsonl").read_text()
    for damaged in (
        None,
        whole.replace('"track": "', '"track": "../'),
        whole + whole,
        whole[:-40],
        '{"file": 1}\n',
    ):
        (folder / "tracks.jsonl").unlink(missing_ok=True)
        if damaged is not None:
            (folder / "tracks.jsonl").write_text(damaged)
        with pytest.raises(InvalidInputError, match=r"tracks\.jsonl") as caught:
            fill(full, folder)
        assert caught.value.reason == "INVALID_METADATA"
    (folder / "tracks.jsonl").write_text(whole)
    np.save(folder / "stranger.npy", np.ones((1, 4), np.float32))
    (folder / "three.npy").unlink()
    report = fill(full, folder)
    assert [f.reason for f in report.failed] == ["FEATURES_UNLISTED"]
    assert [n.reason for n in report.notes] == ["PATH_NOT_FOUND"]


def test_an_import_never_rewrites_what_sound_says(full: Place, tmp_path: Path) -> None:
    export(full, tmp_path, "bands")
    folder = tmp_path / "features"
    lied = [line | {"payload": {"title": "Lies"}} for line in lines(folder)]
    (folder / "tracks.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lied))
    before = full.records()
    fill(full, folder)
    assert_same(before, full.records(), "bands", "perceptual", "lexical")


def test_a_payload_that_does_not_fit_is_one_line(full: Place, tmp_path: Path) -> None:
    export(full, tmp_path, "bands")
    folder = tmp_path / "features"
    first, *others = lines(folder)
    first |= {"track": "new-1", "payload": {"year": "not a year"}}
    (folder / "tracks.jsonl").write_text("".join(json.dumps(x) + "\n" for x in (first, *others)))
    report = fill(full, folder)
    assert [(f.reason, Path(f.path).name) for f in report.failed] == [
        ("INVALID_FIELD", Path(str(first["file"])).name)
    ]
    assert report.added == 2


def test_a_full_disk_is_said_and_leaves_no_half_file(
    full: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace, count = Path.replace, 0

    def full_soon(self: Path, target: Path) -> Path:
        nonlocal count
        count += 1
        if count > 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", full_soon)
    with pytest.raises(BusyError) as caught:
        export(full, tmp_path, "bands")
    assert caught.value.reason == "DISK_FULL"
    folder = tmp_path / "features"
    assert len(names(folder)) == 1
    assert not [path for path in folder.rglob(".*") if path.is_file()]
    monkeypatch.undo()
    report = export(full, tmp_path, "bands")
    assert (report.written, report.unchanged) == (2, 1)


def test_a_stopped_export_goes_on(full: Place, tmp_path: Path) -> None:
    stop = threading.Event()
    stop.set()
    report = export_features(full.library, tmp_path, ExportOptions(("bands",)), stop=stop)  # type: ignore[arg-type]
    assert report.interrupted
    assert not (tmp_path / "features" / "tracks.jsonl").exists()
    assert export(full, tmp_path, "bands").written == 3


def test_only_spaces_with_vectors_are_exported(full: Place, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="words"):
        export(full, tmp_path, "lexical")
    with pytest.raises(PreconditionError, match="bands, perceptual"):
        export(full, tmp_path, "nothing")
    assert not list(tmp_path.glob("features"))


def test_a_table_has_every_field_and_space(full: Place, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    full.library.declare([], [Field("start", FieldType.INTEGER)])
    path = tmp_path / "tables" / "all.parquet"
    report = export_table(full.library, path, ExportOptions())  # type: ignore[arg-type]
    assert (report.tracks, report.rows, report.spaces) == (3, 3, ("bands", "perceptual"))
    table = parquet.read_table(path)
    rows = {row["track"]: row for row in table.to_pylist()}
    for record in full.records():
        row = rows[record.id]
        for space in ("bands", "perceptual"):
            assert row[space] == record.vectors[space].tolist()
        assert row["title"] == record.payload["title"]
        assert row["genre"] == (["jazz"] if record.payload["title"] == "One" else None)
        assert row["paths"] == list(record.payload["paths"])
        assert row["indexed_at"].isoformat() == record.payload["indexed_at"]
        assert row["stars"] == record.payload.get("stars")
    described = json.loads(table.schema.metadata[b"segue"])["spaces"]
    assert described["bands"] == {"revision": "bands-1", "dim": 4, "distance": "cosine"}
    with pytest.raises(InvalidInputError, match="overwrite"):
        export_table(full.library, path, ExportOptions())  # type: ignore[arg-type]
    chosen = ExportOptions(("bands",), Equals("mood", "calm"), overwrite=True)
    export_table(full.library, path, chosen, segments=True)  # type: ignore[arg-type]
    (calm,) = [record for record in full.records() if record.payload.get("mood") == "calm"]
    moments = parquet.read_table(path).to_pylist()
    assert [(m["start"], m["end"], m["bands"]) for m in moments] == [
        (s.span.start, s.span.end, s.vectors["bands"].tolist())
        for s in calm.segments
        if "bands" in s.vectors
    ]
    assert moments
    assert list(path.parent.iterdir()) == [path]
