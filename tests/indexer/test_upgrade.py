"""``--upgrade``: a space of another revision is filled anew in place, and nothing is ever mixed."""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from indexer import IndexOptions, IndexReport, index
from indexer.features import FeatureOptions, index_features
from indexer.manifest import Manifest, manifest_path
from indexer.tagging_measure import Wish, is_current, settle
from retrieval.core.errors import InvalidInputError, PreconditionError
from retrieval.core.queries import SearchRequest, TextQuery, TrackQuery, WeightedQuery
from retrieval.core.spaces import Vector
from retrieval.encoders.lexical import LexicalEncoder
from retrieval.encoders.registry import EncoderSet
from retrieval.search import LocalLibrary
from tests.indexer.conftest import Place
from tests.indexer.encoders import SeededEncoder, matrix
from tests.indexer.planted import LABELS, Meanings, fill, open_planted, plant


class OtherWords(LexicalEncoder):
    """The same words by another revision."""

    def __init__(self) -> None:
        super().__init__()
        self.space = replace(self.space, revision="words-2")


def old(place: Place) -> None:
    """Indexed with one revision; opened with another."""
    encoders(place, 1)
    place.index(workers=1)
    encoders(place, 2)


def encoders(place: Place, seed: int, dim: int = 6) -> None:
    place.close()
    place.encoders = [SeededEncoder(place.log.path, seed, dim), LexicalEncoder()]
    place.open()
    place.log.path.unlink(missing_ok=True)


def heard(place: Place) -> int:
    """Windows prepared since the last call."""
    count = place.log.lines().count("bands")
    place.log.path.unlink(missing_ok=True)
    return count


def everywhere(place: Place) -> IndexReport:
    """``segue index --upgrade``: without a path."""
    return index(
        [],
        place.library,
        EncoderSet(place.encoders),
        manifest_dir=place.data / "manifests",
        options=IndexOptions(workers=1, upgrade=frozenset()),
    )


def found(place: Place, query: TextQuery | TrackQuery) -> set[str]:
    assert isinstance(place.library, LocalLibrary)
    request = SearchRequest((WeightedQuery(query, spaces=("bands",)),), limit=50)
    return {hit.track.id for hit in place.library.search(request).hits}


def vectors(place: Place, space: str = "bands") -> dict[str, Vector]:
    return {r.id: r.vectors[space] for r in place.records() if space in r.vectors}


def manifest_of(place: Place) -> Manifest:
    assert place.store is not None
    library = place.store.info().id
    return Manifest(manifest_path(place.data / "manifests", library), library)


def test_a_library_of_another_revision_says_what_to_do_and_stays_as_it_is(place: Place) -> None:
    for number in range(3):
        place.song(f"{number}.wav", number)
    old(place)
    before = vectors(place)
    with pytest.raises(PreconditionError, match="segue index --upgrade") as caught:
        place.index(workers=1)
    assert caught.value.reason == "REVISION_MISMATCH"
    assert caught.value.metadata["spaces"] == "bands"
    assert vectors(place).keys() == before.keys()
    assert len(found(place, TrackQuery(next(iter(before))))) == 2
    with pytest.raises(PreconditionError, match="segue index --upgrade"):
        found(place, TextQuery("low"))
    assert isinstance(place.library, LocalLibrary)
    plain = place.library.search(SearchRequest((WeightedQuery(TextQuery("2")),)))
    assert [one.space for one in plain.left_out] == ["bands"]
    assert plain.left_out[0].reason == "REVISION_MISMATCH"
    assert {one.space for one in plain.spaces} == {"lexical"}
    status = {one.space.name: one for one in place.library.spaces()}
    assert "bands-1" in status["bands"].problem
    assert not status["lexical"].problem


def test_one_space_is_encoded_anew_wherever_its_files_are(place: Place) -> None:
    for number in range(3):
        place.song(f"a/{number}.wav", number)
    place.song("b/3.wav", 3)
    gone = place.song("b/4.wav", 4, title="Gone")
    old(place)
    encoders(place, 2, dim=9)
    gone_id = place.track("b/4.wav").id
    before, words = {r.id: r.payload for r in place.records()}, vectors(place, "lexical")
    earlier = vectors(place)
    gone.unlink()
    report = everywhere(place)
    assert (report.found, report.updated, len(report.failed)) == (4, 4, 0)
    assert report.upgrade is not None
    assert report.upgrade.spaces[0].before == "bands-1"
    assert [(one.track, one.spaces) for one in report.upgrade.without] == [(gone_id, ("bands",))]
    assert report.upgrade.without[0].paths == (str(gone),)
    assert "1 track has no vector in bands" in report.in_words()
    assert report.as_dict()["upgrade"]["spaces"][0]["now"] == "bands-2"
    assert heard(place) == 4
    now = vectors(place)
    assert now.keys() == before.keys() - {gone_id}
    turned = np.linalg.pinv(matrix(1, 6)) @ matrix(2, 9)
    for track, vector in now.items():
        expected = earlier[track] @ turned
        assert vector == pytest.approx(expected / np.linalg.norm(expected), abs=1e-4)
    assert {r.id: r.payload for r in place.records()} == before
    assert vectors(place, "lexical").keys() == words.keys()
    assert found(place, TextQuery("low")) == now.keys()
    again = everywhere(place)
    assert (again.unchanged, heard(place)) == (4, 0)
    assert again.upgrade is not None
    assert again.upgrade.spaces == ()
    assert len(again.upgrade.without) == 1
    # Back again: what the manifest knew of the first revision is no more.
    encoders(place, 1)
    assert everywhere(place).updated == heard(place) == 4
    back = vectors(place)
    assert back.keys() == now.keys()
    assert all(np.array_equal(back[track], earlier[track]) for track in back)


def test_a_killed_upgrade_answers_from_what_is_done_and_goes_on(place: Place) -> None:
    for number in range(6):
        place.song(f"{number}.wav", number)
    old(place)
    place.close()
    command = [sys.executable, "-m", "tests.indexer.upgrading"]
    command += map(str, (place.data, place.music, place.log.path))
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    place.open()
    done = vectors(place)
    assert 2 <= len(done) < 6
    assert found(place, TextQuery("low")) == done.keys()
    assert len(vectors(place, "lexical")) == len(place.records()) == 6
    first = heard(place)
    # Now that the library is of this revision, any run goes on.
    assert place.index(workers=1).updated == 6 - len(done)
    assert first + heard(place) <= 6 + 2
    now = vectors(place)
    assert len(now) == 6
    assert all(np.array_equal(now[track], done[track]) for track in done)


def test_what_cannot_be_made_again_is_not_given_up_by_accident(place: Place) -> None:
    song = place.song("1.wav", 1)
    old(place)
    song.unlink()
    with pytest.raises(PreconditionError) as caught:
        everywhere(place)
    assert caught.value.reason == "FILES_MISSING"
    with pytest.raises(InvalidInputError, match="bands, lexical"):
        place.index(upgrade=frozenset({"nowhere"}))
    assert len(vectors(place)) == 1
    manifest = manifest_of(place)
    assert manifest.count_encoded("bands") == 1
    manifest.close()


def test_imported_vectors_are_given_up_only_by_name_or_for_others(
    place: Place, tmp_path: Path
) -> None:
    place.song("1.wav", 1)
    folder = tmp_path / "vectors"
    folder.mkdir()
    encoders(place, 2)
    made = EncoderSet(place.encoders)

    def bring(upgrade: frozenset[str] | None, revision: str, width: int) -> None:
        np.save(folder / "1.npy", np.ones((1, width), np.float32))
        assert isinstance(place.library, LocalLibrary)
        _, report = index_features(
            folder,
            [place.music],
            place.library,
            made,
            manifest_dir=place.data / "manifests",
            options=FeatureOptions("bands", revision, sound=IndexOptions(1, upgrade=upgrade)),
        )
        assert report.added + report.updated == 1

    bring(None, "theirs-1", 5)
    with pytest.raises(PreconditionError, match="made elsewhere") as caught:
        place.index(workers=1, upgrade=frozenset())
    assert caught.value.reason == "REVISION_MISMATCH"
    with pytest.raises(PreconditionError):
        bring(None, "theirs-2", 7)
    assert len(vectors(place)) == 1
    bring(frozenset(), "theirs-2", 7)
    (vector,) = vectors(place).values()
    assert len(vector) == 7
    assert place.index(workers=1, upgrade=frozenset({"bands"})).updated == 1
    assert place.store is not None
    assert place.store.info().spaces["bands"].revision == "bands-2"
    assert heard(place) == 1


def test_words_are_told_anew_without_sound_also_where_the_file_is_gone(place: Place) -> None:
    place.song("1.wav", 1)
    gone = place.song("2.wav", 2, title="Blue Moon")
    encoders(place, 1)
    place.index(workers=1)
    gone.unlink()
    heard(place)
    place.close()
    place.encoders = [place.encoders[0], OtherWords()]
    place.open()
    report = everywhere(place)
    assert heard(place) == 0
    assert report.upgrade is not None
    assert [one.space for one in report.upgrade.spaces] == ["lexical"]
    assert report.upgrade.without == ()
    assert len(vectors(place, "lexical")) == 2
    assert isinstance(place.library, LocalLibrary)
    asked = SearchRequest((WeightedQuery(TextQuery("moon"), spaces=("lexical",)),))
    hits = place.library.search(asked).hits
    assert [hit.track.payload["title"] for hit in hits] == ["Blue Moon"]


def test_thresholds_of_labels_are_measured_on_the_new_vectors(tmp_path: Path) -> None:
    records, _ = plant(60)
    first, second = Meanings(), Meanings(revision="planted-2")
    library = open_planted(tmp_path, first)
    fill(library, records, first)
    tagging = settle(Wish(LABELS), None, library, {"planted": first}, lambda _: None)
    assert is_current(tagging, library.info())
    library.declare([second.space], replacing=["planted"])
    assert not is_current(tagging, library.info())
    library.write(records)
    renewed = settle(Wish(LABELS), tagging, library, {"planted": second}, lambda _: None)
    assert renewed.spaces["planted"].revision == "planted-2"
    assert is_current(renewed, library.info())
    assert second.texts
    library.close()
