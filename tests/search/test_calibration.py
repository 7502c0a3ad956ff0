"""What scores are worth in a library: measured once, kept, and measured again when it changed."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from retrieval.core.payload import STANDARD_FIELDS
from retrieval.core.queries import SearchRequest, TextQuery, TrackQuery, VectorQuery, WeightedQuery
from retrieval.core.spaces import SparseVector
from retrieval.core.tracks import TrackRecord
from retrieval.encoders.cohort import Cohort
from retrieval.search import LocalLibrary, coverage
from retrieval.search.calibration import (
    LEAST,
    NONSENSE,
    SpaceCalibration,
    WordCounts,
    curve_between,
)
from retrieval.search.calibration_file import CalibrationFolder, Measured
from tests.search.catalogue import LEXICAL, HueEncoder, encoders, fill, make_records, track_id


class CohortEncoder(HueEncoder):
    """Colours, with a cohort that holds each of them once."""

    def cohort(self):
        return Cohort(np.eye(8, dtype=np.float32), 20.0, -4.0, 0.0)


class MusicEncoder(HueEncoder):
    """Every text about music is red; nonsense is a colour that the library lacks."""

    def prepare_text(self, text):
        place = 7 if text in NONSENSE else 0
        return np.eye(8, dtype=np.float32)[place]


def coloured(count, colours, *, seed=3):
    """Tracks close to one of the first colours each, with titles of two words."""
    draw = np.random.default_rng(seed)
    for number in range(count):
        hue = np.eye(8)[number % colours] + 0.05 * np.abs(draw.normal(size=8))
        payload = {"title": f"Piece {number}", "artist": ("Ada", "Ben")[number % 2]}
        vectors = {"hue": hue.astype(np.float32), "lexical": LEXICAL.encode_words(payload)}
        yield TrackRecord(track_id(number), payload, vectors)


def library(store, hue, records, **options):
    store.declare((hue.space, LEXICAL.space), STANDARD_FIELDS)
    store.write(list(records))
    return LocalLibrary(store, {"hue": hue, "lexical": LEXICAL}, **options)


def ask(own, query, *spaces, **options):
    return own.search(SearchRequest((WeightedQuery(query, 1.0, spaces),), segments=0, **options))


class TestCurve:
    def test_it_is_even_half_way_and_rises(self):
        curve = curve_between([0.0, 0.1, 0.2], [0.8, 0.9, 1.0])
        low, middle, high = curve([0.1, 0.5, 0.9])
        assert middle == pytest.approx(0.5)
        assert low < 0.01
        assert high > 0.99

    def test_groups_that_are_one_tell_nothing(self):
        assert curve_between([0.0, 1.0], [0.2, 1.1]) is None
        assert curve_between([1.0, 1.1], [0.0, 0.1]) is None


class TestWords:
    counts = WordCounts(np.array([3, 8], np.uint32), np.array([1, 90]), 100)

    def fits(self, words, scores):
        indices = np.array(words, np.uint32)
        return self.counts.fits(SparseVector(indices, np.ones(len(indices), np.float32)), scores)

    def test_all_words_of_an_ordinary_track_fit(self):
        idf = np.log1p(99.5 / 1.5)
        full, half, none = self.fits([3], [idf, idf / 2, 0.0])
        assert full == 1.0
        assert half == pytest.approx(0.39, abs=0.01)
        assert none == 0.0

    def test_a_word_that_no_track_has_is_missed_most(self):
        rare, common = np.log1p(99.5 / 1.5), np.log1p(10.5 / 90.5)
        [by_common] = self.fits([5, 8], [common])
        [by_rare] = self.fits([3, 8], [rare])
        assert by_common < 0.01
        assert by_rare > 0.9


def test_a_cohort_judges_texts(own_store):
    own = library(own_store, CohortEncoder(), coloured(40, 3))
    there, absent = ask(own, TextQuery("red"), "hue"), ask(own, TextQuery("violet"), "hue")
    assert not there.hits[0].weak
    assert there.spaces[0].fit == there.hits[0].fit > 0.9
    assert all(hit.weak for hit in absent.hits)
    assert absent.spaces[0].weak
    fits = [hit.fit for hit in there.hits]
    assert fits == sorted(fits, reverse=True)
    assert [hit.fit for hit in there.hits] == [hit.evidence[0].fit for hit in there.hits]


def test_reference_texts_judge_where_there_is_no_cohort(own_store):
    own = library(own_store, MusicEncoder(), coloured(40, 3))
    hits = ask(own, TextQuery("red"), "hue", limit=40).hits
    assert hits[0].fit > 0.99
    assert hits[-1].fit < 0.01


def test_sounds_are_judged_by_neighbours(own_store):
    own = library(own_store, CohortEncoder(), coloured(60, 6))
    hits = ask(own, TrackQuery(track_id(0)), "hue", limit=59).hits
    assert hits[0].fit > 0.9
    assert hits[-1].weak
    vector = tuple(float(x) for x in np.eye(8)[0])
    # Nobody knows what a ready-made vector stands for.
    assert ask(own, VectorQuery(vector), "hue").hits[0].fit is None


def test_a_title_fits_and_a_stray_word_does_not(own_store):
    own = library(own_store, CohortEncoder(), coloured(40, 3))
    title = ask(own, TextQuery("piece 17"), "lexical").hits
    assert title[0].track.payload["title"] == "Piece 17"
    assert title[0].fit > 0.9
    assert title[1].weak
    stray = ask(own, TextQuery("a piece by nobody one has heard of"), "lexical").hits
    assert all(hit.weak for hit in stray)


def test_hits_that_fit_too_little_are_left_out(own_store):
    own = library(own_store, CohortEncoder(), coloured(40, 4))
    answer = ask(own, TextQuery("red"), "hue", min_fit=0.5, limit=40)
    assert 0 < len(answer.hits) <= 10
    assert not answer.more
    assert ask(own, TextQuery("violet"), "hue", min_fit=0.5).hits == ()


def test_few_tracks_are_not_judged(own_store):
    own = library(own_store, CohortEncoder(), coloured(LEAST - 1, 3))
    answer = ask(own, TextQuery("red piece"))
    assert {hit.fit for hit in answer.hits} == {None}
    assert {one.fit for one in answer.spaces} == {None}
    assert not any(hit.weak for hit in answer.hits)


def counting(store):
    """A store that tells which of its methods were asked for."""
    asked = []

    class Counting:
        def __getattr__(self, name):
            asked.append(name)
            return getattr(store, name)

    return asked, Counting()


class TestKeeping:
    def test_once_per_library_and_process(self, filled, tmp_path):
        calls, store = counting(filled)
        for expected in (1, 0):
            own = LocalLibrary(store, encoders(), calibrations=tmp_path / "kept")
            calls.clear()
            fits = [h.fit for h in ask(own, TextQuery("piece 7"), "lexical").hits]
            assert calls.count("scroll") == expected
            assert fits[0] > 0.5
        assert len(list((tmp_path / "kept").iterdir())) == 1

    def test_again_when_the_library_has_grown(self, own_store, monkeypatch):
        # Counts are believed for longer the longer counting took, which is long on a busy machine.
        monkeypatch.setattr(coverage, "SHARE", math.inf)
        calls, store = counting(fill(own_store, make_records(20)))
        own = LocalLibrary(store, encoders())
        ask(own, TextQuery("piece red"), "lexical")
        own.write(make_records(40)[20:])
        calls.clear()
        assert ask(own, TextQuery("piece red 37"), "lexical").hits[0].fit > 0.5
        assert "scroll" in calls

    def test_what_is_damaged_is_measured_again(self, filled, tmp_path):
        own = LocalLibrary(filled, encoders(), calibrations=tmp_path)
        first = ask(own, TextQuery("piece 7"), "lexical").hits
        [kept] = tmp_path.iterdir()
        for damage in (b"", b"PK\x03\x04", kept.read_bytes()[:60]):
            kept.write_bytes(damage)
            own = LocalLibrary(filled, encoders(), calibrations=tmp_path)
            assert ask(own, TextQuery("piece 7"), "lexical").hits == first

    def test_a_folder_that_cannot_be_written_does_no_harm(self, filled, tmp_path):
        (tmp_path / "file").write_text("")
        own = LocalLibrary(filled, encoders(), calibrations=tmp_path / "file")
        assert ask(own, TextQuery("piece 7"), "lexical").hits[0].fit is not None

    def test_files_give_back_what_was_kept(self, tmp_path):
        folder = CalibrationFolder(tmp_path)
        words = WordCounts(np.array([3, 8], np.uint32), np.array([1, 90]), 100)
        curve = curve_between([0.0, 0.1], [0.8, 1.0])
        for of in (SpaceCalibration(curve, None), SpaceCalibration(None, curve)):
            folder.save("library", "hue", Measured("hue-1", 40, of))
            found = folder.load("library", "hue")
            assert (found.revision, found.tracks, found.of) == ("hue-1", 40, of)
        folder.save("library", "lexical", Measured("bm25", 40, words))
        found = folder.load("library", "lexical")
        assert isinstance(found.of, WordCounts)
        assert found.of.counts.tolist() == [1, 90]
        assert folder.load("other", "hue") is None

    def test_a_tenth_more_or_less_is_the_same_library(self):
        measured = Measured("hue-1", 100, SpaceCalibration(None, None))
        assert measured.holds("hue-1", 110)
        assert measured.holds("hue-1", 90)
        assert not measured.holds("hue-1", 111)
        assert not replace(measured, revision="hue-2").holds("hue-1", 100)
