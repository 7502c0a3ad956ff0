"""Synonyms: WordNet's format, the meanings that we name, and captions in other words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from indexer.training import wordnet
from indexer.training.attributes import NAMES, PLACE
from indexer.training.captions import Captioner
from indexer.training.evaluate import Heardset
from indexer.training.lexicon import lexicon
from indexer.training.rewording import captions_reworded, words_replaced
from indexer.training.wordnet import WordNet, synonyms

NOTICE = "  1 This is the licence, which every file begins with.\n"
ADJECTIVES = [
    '00 a 02 fast 0 rapid(p) 1 002 & {1} a 0000 ! {1} a 0101 | quick; "a fast car"\n',
    "00 s 02 double-quick 0 Greased_Lightning 0 001 & {0} a 0000 | very fast\n",
]
OTHERS = {"drums": {"noun": ["tom-tom"], "adj": ["thumping"]}, "happy": {"adj": ["cheery"]}}


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    places, at = [], len(NOTICE)
    for line in ADJECTIVES:
        places.append(f"{at:08d}")
        at += len(f"{at:08d} ") + len(line.format("00000000", "00000000"))
    data = NOTICE + "".join(
        f"{place} {line.format(*places)}" for place, line in zip(places, ADJECTIVES, strict=True)
    )
    (tmp_path / "data.adj").write_text(data)
    (tmp_path / "data.noun").write_text(NOTICE)
    index = f"fast a 1 2 & ! 1 1 {places[0]}  \ndouble-quick a 1 1 & 1 0 {places[1]}  \n"
    (tmp_path / "index.adj").write_text(NOTICE + index)
    (tmp_path / "index.noun").write_text(NOTICE)
    return tmp_path


def test_words_of_a_meaning_and_of_similar_ones(tiny: Path) -> None:
    found = WordNet(tiny)
    assert found.words("fast.a.1") == ["fast", "rapid"]
    assert found.words("fast.a.1+") == ["fast", "rapid", "double-quick", "Greased Lightning"]
    assert found.words("double-quick.a.1+")[2:] == ["fast", "rapid"]
    for missing in ("fast.a.2", "fast.n.1", "slow.a.1"):
        with pytest.raises(KeyError, match=missing):
            found.words(missing)


def test_without_wordnet_there_are_no_synonyms(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wordnet, "FOLDER", tmp_path)
    assert synonyms.__wrapped__() == {}
    with pytest.raises(FileNotFoundError):
        WordNet(tmp_path)


def test_every_meaning_that_we_name_is_there() -> None:
    if not (wordnet.FOLDER / "data.noun").is_file():
        pytest.skip("WordNet is not installed (Debian: wordnet-base)")
    found = synonyms()
    forms = lexicon("en").forms
    assert all(form in forms[name] for name, words in found.items() for form in words)
    assert set(found) <= set(NAMES)
    assert "euphoric" in found["happy"]["adj"]
    assert "lugubrious" in found["sad"]["adj"]
    assert "tambourine" in found["drums"]["noun"]
    ours = set(lexicon("en").phrases())
    new = [word for words in found.values() for form in words.values() for word in form]
    assert len(new) > 500
    assert not ours & set(new)
    assert not {"horn", "only", "fiddle", "gay"} & set(new)


def values(*true: str) -> np.ndarray:
    found = np.zeros(len(NAMES), dtype=np.float32)
    found[[PLACE[name] for name in true]] = 1.0
    return found


def test_captions_use_other_words_too_and_mean_the_same() -> None:
    captioner, rng = Captioner(OTHERS), np.random.default_rng(0)
    written = [captioner.write(values("drums", "happy"), rng) for _ in range(300)]
    with_them = [one for one in written if {"cheery"} & set(one.text.lower().split())]
    assert 10 < len(with_them) < 120
    claimed_or_denied = [PLACE["happy"] in one.claimed + one.denied for one in with_them]
    assert all(claimed_or_denied)
    text, again = Captioner().reworded(values("drums", "happy"), rng, OTHERS)
    assert text != again
    assert "cheery" in again or "tom-tom" in again or "thumping" in again
    assert Captioner().reworded(values("drums"), rng, {"sad": {"adj": ["x"]}})[0]


def test_what_other_words_find_is_measured() -> None:
    """A reader that knows "cheery" and no other new word."""
    names = [("drums", "happy")[n % 2] for n in range(80)]
    meaning = np.eye(2, dtype=np.float32)[[n % 2 for n in range(80)]]
    meaning += np.random.default_rng(0).normal(0, 0.1, meaning.shape).astype(np.float32)
    none = np.zeros((80, 1), dtype=np.float32)
    songs = tuple(str(n) for n in range(80))
    heard = Heardset(meaning, none, none, np.stack([values(n) for n in names]), songs, (None,) * 80)
    known = {word for form in lexicon("en").forms["happy"].values() for word in form} | {"cheery"}
    drums = set(lexicon("en").forms["drums"]["noun"]) | set(lexicon("en").forms["drums"]["adj"])

    def read(text: str) -> np.ndarray:
        happy = any(word in text for word in known)
        beaten = any(word in text for word in drums)
        return np.array([1.0 * beaten - 0.1, 1.0 * happy - 0.1], dtype=np.float32)

    words = words_replaced(heard, read, OTHERS)
    assert words["attributes"] == 3.0
    assert words["words"] == 3.0
    assert words["first ten"] == pytest.approx(1.0)
    assert words["as good"] == pytest.approx(1 / 3)
    found = captions_reworded(heard, read, OTHERS)
    assert 0.0 < found["kept"] < 1.0
    assert found["captions"] <= 80
