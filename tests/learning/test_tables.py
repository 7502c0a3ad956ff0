"""Tables to train on: what is understood, and where an error is said to be."""

from __future__ import annotations

import csv
import pickle
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from indexer.features_layout import SPACE_FILE, head_bytes
from indexer.learning.clip_reader import STORE, ClipReader
from indexer.learning.csv_rows import ORIGINAL_NAMES
from indexer.learning.tables import Pairs, read_clips, read_pairs
from retrieval.core.errors import InvalidInputError
from retrieval.core.spaces import Distance, EmbeddingSpace, Level, Modality
from retrieval.core.video import SIGNAL_DIMS, VIDEO_DIMS, Source
from retrieval.encoders.perceptual_dims import DIMS
from retrieval.video.features import FEATURE_SET
from tests.learning.planted import FRAME_MODEL, REVISION, SPACE_NAME, Planted
from tests.video.clips import Shot, clip

SPACE = (SPACE_NAME, REVISION)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return Planted(12).write(tmp_path)


def edited(table: Path, edit: Callable[[list[list[str]]], object]) -> Path:
    with table.open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    edit(rows)
    with table.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    return table


def cell(line: int, column: str, value: str) -> Callable[[list[list[str]]], object]:
    def edit(rows: list[list[str]]) -> None:
        rows[line - 1][rows[0].index(column)] = value

    return edit


def read(
    table: Path, video_set: str | None = "acme-1", space: tuple[str, str] | None = SPACE
) -> Pairs:
    with ClipReader(table) as reader:
        return read_pairs(table, reader, video_set=video_set, revision="sound-1", space=space)


def problem(table: Path) -> str:
    with pytest.raises(InvalidInputError) as caught:
        read(table)
    assert caught.value.reason == "INVALID_METADATA"
    return caught.value.message


def test_a_whole_table(table: Path) -> None:
    planted = Planted(12)
    pairs = read(table)
    assert len(pairs.rows) == 12
    assert len(pairs.tracks) == 11
    assert pairs.clips.sources[:5] == ("film0",) * 4 + ("film1",)
    assert pairs.music.sound[0] == pytest.approx(planted.sound[0], abs=1e-4)
    first = pairs.clips.features[0]
    assert first.values == pytest.approx(planted.picture[0], abs=1e-4)
    assert set(first.sources) == {Source.GIVEN}
    assert first.frames is not None
    assert first.frames.revision == FRAME_MODEL
    assert first.frames.values == pytest.approx(planted.frames[0].astype("f4"))
    assert pairs.music.embeddings == pytest.approx(
        np.delete(planted.embeddings, 9, axis=0), abs=1e-6
    )
    assert pairs.music.space is not None
    assert (pairs.music.space.space, pairs.music.space.revision, pairs.music.space.dim) == (
        *SPACE,
        24,
    )


def test_names_of_the_source_and_any_separator(table: Path) -> None:
    whole = read(table)
    theirs = {ours: name for name, ours in ORIGINAL_NAMES.items()}
    text = table.read_text()
    head, rest = text.split("\n", 1)
    head = ",".join(theirs.get(name, name.upper()) for name in head.strip().split(","))
    assert "人物张力" in head
    table.write_text((head + "\n" + rest).replace(",", ";"), encoding="utf-8-sig")
    again = read(table)
    assert again.digest == whole.digest
    assert list(theirs) == list(VIDEO_DIMS)


def test_the_digest_follows_the_data(table: Path) -> None:
    digests = {read(table, name).digest for name in ("acme-1", "acme-2", "acme-1")}
    assert len(digests) == 2
    with np.load(table.parent / "clip3.npz") as file:
        parts = dict(file)
    parts["series"][0, 0] += 1
    np.savez(table.parent / "clip3.npz", **parts)
    digests.add(read(table).digest)
    edited(table, cell(5, "warmth", "0"))
    digests.add(read(table).digest)
    assert len(digests) == 4


def test_blank_dimensions_are_unavailable(table: Path) -> None:
    edited(table, cell(2, "scene_tension", " "))
    first = read(table).clips.features[0]
    assert first.sources[1] is Source.UNAVAILABLE
    assert first.values[1] == 0.0


def test_errors_name_line_and_column(table: Path) -> None:
    for line, column, value, words in (
        (4, "warmth", "loud", "line 4, column 'warmth': .*valid number.*'loud'"),
        (4, "warmth", "", "line 4, column 'warmth': "),
        (5, "warmth", "nan", "line 5, column 'warmth': .*finite"),
        (3, "scene_tension", "1e999", "line 3, column 'scene_tension': .*finite"),
        (2, "video", " ", "line 2, column 'video': "),
        (6, "clip", "absent.npz", "line 6, column 'clip': absent.npz: No such file"),
        (6, "embedding", "", "line 6, column 'embedding': give all tracks one, or none"),
        (7, "embedding", "no.npy", "line 7, column 'embedding': no.npy: "),
        (8, "track", "track0", "line 8: track 'track0' has other values in line 2"),
        (9, "video", "clip0", "line 9: video 'clip0' has other values in line 2"),
    ):
        before = table.read_bytes()
        message = problem(edited(table, cell(line, column, value)))
        assert message.startswith(f"{table}")
        assert re.search(words, message), message
        table.write_bytes(before)


def test_several_errors_are_told_at_once(table: Path) -> None:
    edited(table, cell(4, "warmth", "loud"))
    edited(table, cell(6, "rhythm", "fast"))
    assert "line 4" in (message := problem(table))
    assert "line 6" in message


def test_tables_that_are_none(table: Path) -> None:
    text = table.read_text()
    for content, words in (
        (b"", "line 1: columns are missing: video, track"),
        (text.split("\n")[0].encode(), "no rows below the header"),
        (text.replace("warmth", "heat").encode(), "columns are missing: warmth"),
        (text.replace("warmth", "rhythm", 1).encode(), "missing: warmth"),
        (text.replace("clip\n", "video\n", 1).replace(",clip,", ",video,", 1).encode(), "two col"),
        (b"video\xff", "not UTF-8 text: byte 5"),
        (b'video,track\n"a', "line 2: not CSV"),
        (b"video,track,scene_tension\na,b,1\n", "line 1: columns are missing: richness"),
        ((text + "a,b\n").encode(), "line 14: 2 cells, the header has"),
    ):
        table.write_bytes(content)
        assert words in problem(table)


def test_clips_that_will_not_do(table: Path) -> None:
    path = table.parent / "clip1.npz"
    series = np.zeros((4, 5), dtype=np.float32)
    frames = np.ones((4, 16), dtype=np.float32)
    for parts, words in (
        ({"other": series}, "neither 'series' nor 'frames'"),
        ({"series": series[:, :4]}, "5 columns: motion, energy"),
        ({"series": series[0]}, "shape (seconds, 5)"),
        ({"series": series + np.nan}, "must be finite"),
        ({"series": series.astype(str)}, "must hold numbers"),
        ({"series": np.array([{}, {}], dtype=object)}, "pickle"),
        ({"frames": frames}, "need the text 'frame_model'"),
        ({"frames": frames, "frame_model": "another"}, "frames by another"),
        ({"frames": frames[:, :3], "frame_model": FRAME_MODEL}, "(3 values)"),
        ({"series": series, "values": np.ones(3)}, "must be 11 numbers"),
    ):
        np.savez(path, **parts)
        message = problem(table)
        assert "line 3, column 'clip'" in message
        assert words in message
    for content in (b"", b"PK\x03\x04 no archive", pickle.dumps({})):
        path.write_bytes(content)
        assert "line 3, column 'clip': clip1.npz: no .npz file" in problem(table)


def test_the_space_is_found_where_vectors_were_exported(table: Path) -> None:
    assert "--space NAME=REVISION" in _without_space(table)
    space = EmbeddingSpace(
        name="clap",
        dim=24,
        distance=Distance.COSINE,
        revision="clap-1",
        query_modalities=frozenset({Modality.TEXT}),
        levels=frozenset({Level.TRACK}),
    )
    (table.parent / SPACE_FILE).write_bytes(head_bytes(space, []))
    found = read(table, space=None).music.space
    assert found is not None
    assert (found.space, found.revision) == ("clap", "clap-1")


def _without_space(table: Path) -> str:
    with pytest.raises(InvalidInputError) as caught:
        read(table, space=None)
    return caught.value.message


def test_pairs_given_twice_count_once(table: Path) -> None:
    edited(table, lambda rows: rows.append(rows[1]))
    pairs: Pairs = read(table)
    assert len(pairs.rows) == 12


def test_emotions_are_for_all_or_none(table: Path) -> None:
    def label(rows: list[list[str]]) -> None:
        rows[0].append("emotion")
        for n, row in enumerate(rows[1:]):
            row.append("calm" if n % 2 else "wild")

    pairs = read(edited(table, label))
    assert pairs.emotions[:3] == ("wild", "calm", "wild")
    assert "line 5, column 'emotion'" in problem(edited(table, cell(5, "emotion", "")))


def test_labelled_clips(tmp_path: Path) -> None:
    planted = Planted(6)
    values = np.full(11, np.nan)
    values[2] = 3.0
    with (tmp_path / "clips.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["video", "clip", "visual_valence"])
        for n in range(6):
            frames = planted.frames[n].astype("f4")
            parts = {"frames": frames, "frame_model": FRAME_MODEL, "values": values}
            np.savez(tmp_path / f"{n}.npz", **parts)
            writer.writerow([f"clip{n}", f"{n}.npz", n])
        writer.writerow(["clip9", "absent.npz", ""])
    clips_csv = tmp_path / "clips.csv"
    clips = read_clips(clips_csv, ClipReader(clips_csv))
    assert clips.labels.shape == (6, 11)
    assert np.isfinite(clips.labels).sum() == 6
    assert clips.features[0].known() == {"narrative_pace": 3.0}
    assert clips.sources == clips.names
    edited(clips_csv, cell(3, "clip", ""))
    with pytest.raises(InvalidInputError, match="line 3, column 'clip'"):
        read_clips(clips_csv, ClipReader(clips_csv))
    edited(clips_csv, cell(3, "clip", "1.npz"))
    assert len(read_clips(clips_csv, ClipReader(clips_csv)).names) == 6
    edited(clips_csv, cell(4, "video", "clip0"))
    with pytest.raises(InvalidInputError, match="line 4, column 'video'"):
        read_clips(clips_csv, ClipReader(clips_csv))


def test_the_ten_dimensions_are_those_of_the_perceptual_space() -> None:
    assert len(DIMS) == 10
    assert DIMS[-2:] == ("arousal", "valence")
    assert VIDEO_DIMS[-2:] == ("visual_arousal", "visual_valence")


def test_video_files_are_measured_once(table: Path) -> None:
    film = clip((Shot(seed=1, seconds=1.0), Shot(seed=2, seconds=1.2)))
    (table.parent / "film.mp4").write_bytes(film)
    edited(table, cell(2, "clip", "film.mp4"))
    first = read(table).clips.features[0]
    assert first.series is not None
    assert first.series.values.shape == (3, 5)
    assert first.series.values[:, -1].sum() == 1
    (kept,) = table.with_name(table.name + STORE).iterdir()
    before = kept.stat().st_mtime_ns
    again = read(table).clips.features[0]
    assert again.series is not None
    assert again.series.values == pytest.approx(first.series.values)
    assert kept.stat().st_mtime_ns == before
    (table.parent / "film.mp4").write_bytes(film[: len(film) // 3])
    assert "line 2, column 'clip': film.mp4" in problem(table)


def test_a_table_without_dimensions_has_those_of_its_clips(table: Path) -> None:
    def strip(rows: list[list[str]]) -> None:
        for dim in VIDEO_DIMS:
            place = rows[0].index(dim)
            for row in rows:
                del row[place]

    film = clip((Shot(seed=1, seconds=1.0),))
    (table.parent / "film.mp4").write_bytes(film)
    edited(edited(table, strip), cell(2, "clip", "film.mp4"))
    assert "leave --video-set out" in problem(table)
    clips = read(table, None).clips
    assert clips.feature_set == FEATURE_SET
    assert set(clips.features[0].known()) <= set(SIGNAL_DIMS)
    assert "color_weight" in clips.features[0].known()
    assert clips.features[1].known() == {}


def test_dimensions_of_no_set_are_refused(table: Path) -> None:
    with pytest.raises(InvalidInputError, match="which feature set"):
        read(table, None)
