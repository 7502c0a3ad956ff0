"""Tagging a real library of planted vectors."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from indexer.manifest import RunLock, manifest_path
from indexer.tagging import TagReport, clear, tag
from indexer.tagging_file import load_tagging, tagging_path
from indexer.tagging_measure import Wish
from indexer.tagging_scores import Tagger
from retrieval.core.errors import InvalidInputError, PreconditionError, StoreError
from retrieval.core.filters import All, Equals, Not, Range, TextMatch
from retrieval.core.payload import Field, FieldType
from retrieval.core.spaces import Level
from retrieval.core.tracks import TrackRecord
from retrieval.encoders.zero_shot import Label
from retrieval.search import LocalLibrary
from tests.indexer.planted import LABELS, TRACKS, Meanings, fill, open_planted, plant


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("planted") / "data"
    library = open_planted(data)
    fill(library, plant()[0], Meanings())
    library.close()
    return data


@dataclass
class Shelf:
    """A library of a test's own."""

    data: Path
    library: LocalLibrary
    encoder: Meanings = field(default_factory=Meanings)

    @property
    def manifests(self) -> Path:
        return self.data / "manifests"

    def tag(self, *labels: Label, **wish: Any) -> TagReport:
        options = {k: wish.pop(k) for k in ("dry_run", "watch") if k in wish}
        return tag(
            self.library,
            {self.encoder.space.name: self.encoder},
            Wish(labels or None, **wish),
            manifest_dir=self.manifests,
            **options,
        )

    def payloads(self) -> dict[str, Any]:
        page = self.library.list_tracks(limit=1000)
        return {track.id: dict(track.payload) for track in page.tracks}

    def with_tag(self, name: str) -> set[str]:
        return {i for i, payload in self.payloads().items() if name in payload.get("tags", ())}

    def tagging(self):
        return load_tagging(tagging_path(self.manifests, self.library.info().id))


@contextmanager
def copied(template: Path, folder: Path) -> Iterator[Shelf]:
    data = folder / "data"
    subprocess.run(["cp", "-R", template, data], check=True)
    made = Shelf(data, open_planted(data, Meanings()))
    yield made
    made.library.close()


@pytest.fixture
def shelf(tmp_path: Path, filled: Path) -> Iterator[Shelf]:
    with copied(filled, tmp_path) as made:
        yield made


@pytest.fixture(scope="module")
def filled_and_tagged(tmp_path_factory: pytest.TempPathFactory, filled: Path) -> Path:
    with copied(filled, tmp_path_factory.mktemp("tagged")) as made:
        made.tag(*LABELS)
    return made.data


@pytest.fixture
def tagged(tmp_path: Path, filled_and_tagged: Path) -> Iterator[Shelf]:
    with copied(filled_and_tagged, tmp_path) as made:
        yield made


def ids(truth: np.ndarray) -> set[str]:
    return {f"t0-{number:04d}" for number in np.flatnonzero(truth)}


def test_planted_labels_are_found_and_can_be_asked_for(shelf: Shelf) -> None:
    report = shelf.tag(*LABELS)
    _, truth = plant()
    assert (report.tracks, report.changed) == (TRACKS, TRACKS)
    for one in report.labels[:3]:
        found = shelf.with_tag(one.name)
        assert len(found & ids(truth[one.name])) / len(found) > 0.9
        assert len(found & ids(truth[one.name])) / truth[one.name].sum() > 0.9
        assert one.tracks == len(found)
        assert one.shares["planted"] == pytest.approx(truth[one.name].mean(), abs=0.04)
        assert {track.id for track, _ in one.examples} <= found
    nothing = report.labels[3]
    assert nothing.tracks <= 0.01 * TRACKS
    assert nothing.shares == {"planted": None}
    assert report.tagged == len(set().union(*(shelf.with_tag(label.name) for label in LABELS)))

    library = shelf.library
    calm = library.count_tracks(Equals("tags", "calm"))
    assert calm == report.labels[0].tracks == library.count_tracks(TextMatch("tags", "CALM"))
    assert library.count_tracks(Range("tag_calm", gte=0.5)) == calm
    assert {(one.value, one.count) for one in library.facets("tags")} == {
        (one.name, one.tracks) for one in report.labels if one.tracks
    }
    some = All((Equals("tags", "calm"), Not(Range("tag_piano", gte=0.3))))
    assert 0 < library.count_tracks(some) < calm
    # Segments carry a copy for filters.
    assert shelf.library._store.count(Equals("tags", "calm"), Level.SEGMENT) == calm


def test_payload_agrees_with_the_frozen_formula(tagged: Shelf) -> None:
    tagging = tagged.tagging()
    fits = tagging.spaces["planted"].fits
    for record in plant()[0][:50]:
        payload = tagged.payloads()[record.id]
        unit = record.vectors["planted"] / np.linalg.norm(record.vectors["planted"])
        for label, fit in zip(LABELS, fits, strict=True):
            logit = fit.slope * float(unit @ fit.direction) + fit.offset
            score = 1 / (1 + np.exp(-logit))
            assert payload.get(f"tag_{label.name}", 0.0) == pytest.approx(
                score if score >= 0.1 else 0.0, abs=0.02 if abs(score - 0.1) > 0.02 else 0.12
            )
            assert (label.name in payload.get("tags", ())) == (
                payload.get(f"tag_{label.name}", 0.0) >= 0.5
            )


def test_everything_else_of_a_payload_stays(tagged: Shelf) -> None:
    for payload in tagged.payloads().values():
        assert payload["mood"] == "mine"
        assert payload["tag_of_mine"] == "kept"
    clear(tagged.library, manifest_dir=tagged.manifests)
    assert all(set(p) == {"title", "mood", "tag_of_mine"} for p in tagged.payloads().values())


def test_again_changes_nothing_and_encodes_nothing(tagged: Shelf) -> None:
    before, revision = tagged.payloads(), tagged.tagging().revision
    tagged.encoder.texts.clear()
    for again in (tagged.tag(), tagged.tag(*LABELS)):
        assert again.changed == 0
        assert [one.tracks for one in again.labels] == [
            sum(one.name in p.get("tags", ()) for p in before.values()) for one in again.labels
        ]
    assert tagged.encoder.texts == []
    assert tagged.payloads() == before
    assert tagged.tagging().revision == revision


def test_new_tracks_get_the_frozen_thresholds_until_recalibrated(tagged: Shelf) -> None:
    before = tagged.payloads()
    records, _ = plant(600, seed=1)
    for record in records:
        # A flood of piano, which would move the thresholds.
        record.vectors["planted"][:] += 1.2 * Meanings().forward_text(["piano"])[0]
    tagged.library.write(records[:600])
    fits = tagged.tagging().spaces["planted"].fits
    report = tagged.tag()
    assert report.changed == 600
    assert {i: p for i, p in tagged.payloads().items() if i in before} == before
    assert tagged.tagging().spaces["planted"].fits[0].slope == fits[0].slope
    assert report.labels[1].tracks >= 590
    fresh = tagged.tag(recalibrate=True)
    assert tagged.tagging().spaces["planted"].fits[1].tracks == TRACKS + 600
    assert fresh.labels[1].shares["planted"] == pytest.approx(0.62, abs=0.05)
    assert fresh.changed > 0


def test_a_label_more_leaves_the_others_alone(shelf: Shelf) -> None:
    shelf.tag(*LABELS[:2])
    before, fits = shelf.payloads(), shelf.tagging().spaces["planted"].fits
    shelf.encoder.texts.clear()
    shelf.tag(*LABELS[:3])
    assert not any("calm" in text for text in shelf.encoder.texts)
    after = shelf.tagging().spaces["planted"].fits
    assert [f.offset for f in after[:2]] == [f.offset for f in fits]
    for track_id, payload in shelf.payloads().items():
        assert payload.get("tag_calm") == before[track_id].get("tag_calm")
    assert shelf.with_tag("vocals")


def test_a_label_less_takes_its_tags_away(tagged: Shelf) -> None:
    calm = tagged.with_tag("calm")
    tagged.tag(LABELS[0])
    assert tagged.with_tag("calm") == calm
    assert tagged.with_tag("vocals") == set()
    assert not any("tag_vocals" in payload for payload in tagged.payloads().values())


def test_the_threshold_decides_about_tags_alone(tagged: Shelf) -> None:
    calm = tagged.with_tag("calm")
    tagged.encoder.texts.clear()
    report = tagged.tag(threshold=0.95)
    assert tagged.encoder.texts == []
    assert report.threshold == 0.95
    assert tagged.with_tag("calm") < calm
    assert tagged.tag().threshold == 0.95


def test_a_dry_run_writes_nothing(shelf: Shelf) -> None:
    before = shelf.payloads()
    report = shelf.tag(*LABELS, dry_run=True)
    assert report.changed == 0
    assert report.labels[0].tracks > 0
    assert shelf.payloads() == before
    assert shelf.tagging() is None
    assert "tags" not in shelf.library.info().fields
    assert not shelf.manifests.exists()
    real = shelf.tag(*LABELS)
    assert [one.tracks for one in real.labels] == [one.tracks for one in report.labels]


def test_stopped_while_writing_it_goes_on_from_there(shelf: Shelf) -> None:
    def press(doing: str, done: int, total: int) -> None:
        assert 0 <= done <= total == TRACKS
        if doing == "tagging":
            os.kill(os.getpid(), signal.SIGINT)

    first = shelf.tag(*LABELS, watch=press)
    assert first.interrupted
    assert 0 < first.changed < TRACKS
    rest = shelf.tag()
    assert not rest.interrupted
    assert first.changed + rest.changed == TRACKS


def test_stopped_while_measuring_nothing_is_written(shelf: Shelf) -> None:
    def press(doing: str, done: int, total: int) -> None:
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        shelf.tag(*LABELS, watch=press)
    assert shelf.tagging() is None
    assert "tags" not in shelf.library.info().fields


def test_two_spaces_are_fused_by_the_mean_of_their_scores(shelf: Shelf) -> None:
    first, second = Meanings(), Meanings("other", "other-1")
    library, manifests = shelf.library, shelf.manifests
    library.delete_tracks([record.id for record in plant()[0]])
    records, _ = plant(80, names=("planted", "other"))
    del records[0].vectors["other"], records[1].vectors["planted"]  # type: ignore[attr-defined]
    for number in (2, 3):
        records[number] = TrackRecord(records[number].id, records[number].payload, {})
    fill(library, records, first, second)
    encoders = {"planted": first, "other": second}
    tag(library, encoders, Wish(LABELS), manifest_dir=manifests)
    tagging = shelf.tagging()
    alone = {
        name: Tagger(type(tagging)(tagging.labels, 0.5, {name: tagging.spaces[name]}))
        for name in encoders
    }
    stored = library.fetch_records([record.id for record in records])
    for record in stored:
        expected = np.nanmean(
            [alone[name].scores([{name: v}])[0] for name, v in record.vectors.items()] or [[0.0]],
            axis=0,
        )
        for place, label in enumerate(LABELS if record.vectors else ()):
            score = record.payload.get(f"tag_{label.name}", 0.0)
            kept = expected[place] if round(expected[place], 3) >= 0.1 else 0.0
            assert score == pytest.approx(kept, abs=6e-4)
    silent = [record for record in stored if not record.vectors]
    assert len(silent) == 2
    assert all(r.payload.keys() == {"title", "mood", "tag_of_mine"} for r in silent)
    assert tag(library, {}, Wish(), manifest_dir=manifests).changed == 0
    # Once it has a vector, it is tagged.
    library.write([TrackRecord(silent[0].id, silent[0].payload, records[4].vectors)])
    assert tag(library, {}, Wish(), manifest_dir=manifests).changed == 1


def test_a_library_must_have_sixteen_tracks(shelf: Shelf) -> None:
    records, _ = plant()
    shelf.library.delete_tracks([record.id for record in records[15:]])
    with pytest.raises(PreconditionError, match="16 tracks at least; planted has 15") as caught:
        shelf.tag(*LABELS)
    assert caught.value.reason == "TOO_FEW_TRACKS"
    assert shelf.tagging() is None
    shelf.library.write(records[15:16])
    assert shelf.tag(*LABELS).tracks == 16


@pytest.mark.parametrize(
    ("wish", "encoders", "reason", "says"),
    [
        ({"labels": LABELS}, False, "SPACE_UNAVAILABLE", "no space here compares words"),
        ({"labels": LABELS, "spaces": ("nope",)}, True, "SPACE_UNAVAILABLE", "have no|no space"),
        ({"labels": LABELS, "spaces": ("planted",)}, False, "MODEL_MISSING", "SEGUE_ENCODERS"),
    ],
)
def test_what_is_missing_is_said(
    shelf: Shelf, wish: dict[str, Any], encoders: bool, reason: str, says: str
) -> None:
    have = {"planted": Meanings()} if encoders else {}
    with pytest.raises(PreconditionError, match=says) as caught:
        tag(shelf.library, have, Wish(**wish), manifest_dir=shelf.manifests)
    assert caught.value.reason == reason


def test_there_must_be_labels(shelf: Shelf) -> None:
    with pytest.raises(InvalidInputError, match="no labels yet"):
        shelf.tag()


def test_other_weights_are_not_mixed_in(shelf: Shelf) -> None:
    other = {"planted": Meanings(revision="planted-2")}
    with pytest.raises(PreconditionError, match=r"planted-1.*planted-2") as caught:
        tag(shelf.library, other, Wish(LABELS, ("planted",)), manifest_dir=shelf.manifests)
    assert caught.value.reason == "REVISION_MISMATCH"


def test_a_field_of_the_users_own_is_not_taken(shelf: Shelf) -> None:
    shelf.library.declare((), [Field("tag_calm", FieldType.FLOAT)])
    with pytest.raises(PreconditionError, match="'tag_calm' holds metadata of yours") as caught:
        shelf.tag(*LABELS)
    assert caught.value.reason == "FIELD_TYPE_CONFLICT"
    assert shelf.tagging() is None


def test_not_beside_an_index_run(shelf: Shelf) -> None:
    shelf.manifests.mkdir()
    path = manifest_path(shelf.manifests, shelf.library.info().id)
    with RunLock(path), pytest.raises(StoreError) as caught:
        shelf.tag(*LABELS)
    assert caught.value.reason == "STORE_LOCKED"


@pytest.mark.parametrize("damage", [b"", b"{}", b"\xff", b'{"format": 2}', "slope", "direction"])
def test_a_damaged_record_is_told_and_can_be_replaced(tagged: Shelf, damage: bytes | str) -> None:
    path = tagging_path(tagged.manifests, tagged.library.info().id)
    if damage == "slope":
        damage = path.read_bytes().replace(b'"slope":', b'"slope":-', 1)
    elif damage == "direction":
        damage = path.read_bytes().replace(b'"direction":"', b'"direction":"AAAA', 1)
    assert isinstance(damage, bytes)
    path.write_bytes(damage)
    with pytest.raises(StoreError, match="delete it") as caught:
        tagged.tag()
    assert caught.value.reason == "STORE_CORRUPT"
    path.unlink()
    assert tagged.tag(*LABELS).tracks == TRACKS


def test_a_prompt_that_says_nothing_stops_before_anything_is_written(shelf: Shelf) -> None:
    silent = Label("calm", prompts=("silence",))

    def refuse(text: str) -> str:
        raise InvalidInputError("no words")

    shelf.encoder.prepare_text = refuse  # type: ignore[method-assign]
    with pytest.raises(InvalidInputError, match="label 'calm'"):
        shelf.tag(silent)
    assert shelf.tagging() is None
