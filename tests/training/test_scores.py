"""Scores: which may be used, how they are split, and who plays them."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from indexer.training import scores
from indexer.training.orchestration import Part, Sounding, orchestrate
from indexer.training.palette import TIMBRES
from indexer.training.scores import FOLDERS, Piece, claimless, pieces
from indexer.training.truth import truth_of

XML = "<score-partwise><identification>{}</identification></score-partwise>"
ABC = "X:{}\nT:{}\nM:2/4\nL:1/8\nK:G\nGABc d2d2:|\n\n"


@pytest.mark.parametrize(
    "claim",
    [
        "<rights>2010 Somebody</rights>",
        "<credit-words>PDF © 2004 Somebody</credit-words>",
        "<credit-words>released under the CC BY-SA 4.0 license.</credit-words>",
        "<source>All rights\nreserved</source>",
        "<source>for non-commercial use</source>",
    ],
)
def test_a_file_that_claims_rights_is_refused(tmp_path: Path, claim: str) -> None:
    plain, packed = tmp_path / "a.xml", tmp_path / "b.mxl"
    for inside in ("<encoder>Somebody</encoder>", claim):
        plain.write_text(XML.format(inside), encoding="utf-8")
        with zipfile.ZipFile(packed, "w") as file:
            file.writestr("META-INF/container.xml", "<container/>")
            file.writestr("b.xml", XML.format(inside))
        assert (claimless(plain) is None) == (claimless(packed) is None) == (inside == claim)


@pytest.fixture
def corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(scores, "corpus", lambda: tmp_path)
    pieces.cache_clear()
    yield tmp_path
    pieces.cache_clear()


def test_only_folders_that_are_listed_are_read_and_works_stay_together(corpus: Path) -> None:
    files = ["bach/bwv1.mxl", "bach/bwv1-a.mxl", "essenFolksong/a.abc", "palestrina/a.xml"]
    files += [f"mozart/k{n}/movement{m}.xml" for n in range(40) for m in (1, 2)]
    files += ["mozart/notes.txt", "mozart/claimed.xml"]
    for file in files:
        (corpus / file).parent.mkdir(parents=True, exist_ok=True)
        text = XML.format("<rights>mine</rights>" if "claimed" in file else "")
        if file.endswith(".mxl"):
            with zipfile.ZipFile(corpus / file, "w") as packed:
                packed.writestr("a.xml", text)
        else:
            (corpus / file).write_text(text)
    splits = {split: pieces(split) for split in ("train", "valid", "test")}
    found = [piece.file for split in splits.values() for piece in split]
    assert sorted(found) == sorted(files[:2] + files[4:-2])
    works = [{piece.work for piece in split} for split in splits.values()]
    assert sum(map(len, works)) == len(set().union(*works)) == 41
    assert all(len(split) > 1 for split in works)


def test_tunes_of_one_title_are_one_work_in_whatever_collection(corpus: Path) -> None:
    (corpus / "airdsAirs").mkdir()
    (corpus / "ryansMammoth").mkdir()
    tunes = ABC.format(1, "The Rose Tree") + ABC.format(7, "Brisk Bob")
    (corpus / "airdsAirs/book1.abc").write_text(f"% a header\n{tunes}")
    (corpus / "ryansMammoth/RoseTree.abc").write_text(ABC.format(1, "ROSE TREE -- REEL"))
    found = [piece for split in ("train", "valid", "test") for piece in pieces(split)]
    by_title = {(piece.folder, piece.number): piece.work for piece in found}
    assert by_title["airdsAirs", 1] == by_title["ryansMammoth", 1] == "rose tree"
    assert by_title["airdsAirs", 7] == "bob brisk"


def part(*pitches: int) -> Part:
    return tuple(Sounding(float(n), 1.0, pitch) for n, pitch in enumerate(pitches * 4))


def test_players_reach_their_parts() -> None:
    quartet = [part(76, 79, 74, 72), part(67, 69, 71, 72), part(60, 62, 64, 60), part(48, 43, 36)]
    piece = Piece("haydn", "haydn/a.mxl", None, "haydn/a")
    genres, players = set(), set()
    for seed in range(80):
        found, genre = orchestrate(piece, quartet, np.random.default_rng(seed), seed % 13 - 6)
        genres.add(genre)
        for timbre, line in found:
            players.add(timbre.name)
            assert line
            assert all(timbre.low <= note.pitch <= timbre.high for note in line)
        if genre == "string quartet":
            assert [timbre.name for timbre, _ in found] == ["violin", "violin", "viola", "cello"]
    assert genres == {None, "string quartet"}
    assert len(players) > 30
    tune = Piece("oneills1850", "oneills1850/a.abc", 1, "a")
    found, _ = orchestrate(tune, quartet[:1], np.random.default_rng(3), 0)
    assert 1 <= len(found) <= 2


def test_real_scores_become_songs() -> None:
    pytest.importorskip("music21")
    from indexer.training.arrange import arrange

    assert scores.installed()
    assert all((scores.corpus() / folder).is_dir() for folder in FOLDERS)
    assert claimless(scores.corpus() / "bach/bwv10.7.mxl") is None
    assert claimless(scores.corpus() / "mozart/k155/movement2.mxl") is not None
    quartet = Piece("mozart", "mozart/k155/movement2.mxl", None, "mozart/k155")
    tune = Piece("oneills1850", "oneills1850/0101-0200.abc", 101, "young if ladies all")
    for piece in (quartet, tune):
        song = next(s for seed in range(20) if (s := arrange(piece, seed)) is not None)
        assert song == arrange(piece, song.seed)
        assert 32.0 <= song.seconds < 40.0
        assert song.beats == 3
        assert song.kind in {"solo", "duo", "free"}
        for voice in song.voices:
            timbre = TIMBRES[voice.timbre]
            assert all(timbre.low <= note.pitch <= timbre.high for note in voice.line)
            assert all(0 <= note.start < song.seconds for note in voice.line)
        told = truth_of(song, "a", 5.0, 15.0, 1_000.0)
        assert set(told.instruments) <= {voice.timbre for voice in song.voices}
        assert told.density is not None
        assert told.density > 0.3
    # "If All the Young Ladies" is in A major, wherever it is moved to.
    assert song.mode == "major"
