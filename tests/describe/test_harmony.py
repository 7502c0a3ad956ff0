"""Key, chords and progressions of sounds that are known."""

from functools import cache
from itertools import pairwise, product

import numpy as np
import pytest

from retrieval.core.progressions import parse_progression, wanted_tokens
from retrieval.core.series import Series
from retrieval.describe.chords import CHORD_NAMES
from retrieval.describe.decoding import SLIP, posteriors
from retrieval.describe.protocol import Findings, Sound
from retrieval.describe.registry import load
from tests.describe.pieces import RATE, drumming, piece
from tests.describe.sounds import heard
from tests.signals import Samples, noise, tone


def told(name: str, samples: Samples, rate: int = RATE) -> Findings:
    return load(name).describe(heard(samples, rate))


@cache
def of_piece(name: str, progression: str, up: int = 0) -> Findings:
    return load(name).describe(heard_piece(progression, up))


@cache
def heard_piece(progression: str, up: int) -> Sound:
    return heard(piece(progression, up=up), RATE)


def series(found: Findings) -> dict[str, Series]:
    return {one.name: one for one in found.series}


@pytest.mark.parametrize(
    ("progression", "up", "key", "degrees"),
    [
        ("C G Am F", 0, "C major", "I V vi IV"),
        ("C G Am F", 6, "F# major", "I V vi IV"),
        ("Am Dm E Am", 0, "A minor", "i iv V"),
        ("Am F Dm E", 5, "D minor", "i bVI iv V"),
    ],
)
def test_the_key_and_its_degrees(progression: str, up: int, key: str, degrees: str) -> None:
    found = of_piece("key", progression, up).scalars
    assert found["key_measured"] == key
    assert 0.5 < found["key_confidence"] <= 1.0  # type: ignore[operator]
    assert found["tuning_cents"] == pytest.approx(0.0, abs=5.0)
    assert set(of_piece("chords", progression, up).scalars["degrees"]) == set(degrees.split())  # type: ignore[arg-type]


def test_chords_by_span_beat_and_second() -> None:
    found = of_piece("chords", "C G Am F")
    # A bar lasts two seconds.
    truth = [0, 0, 7, 7, 21, 21, 5, 5] * 3
    named = series(found)
    seconds = named["chords_by_second"]
    assert seconds.rate == 1.0 and seconds.labels == CHORD_NAMES
    assert np.mean(seconds.values[:24] == truth) > 0.9
    beats = named["chords_by_beat"]
    at = np.minimum(beats.starts.astype(int), 23)
    assert np.mean(beats.values[beats.starts < 24] == np.array(truth)[at][beats.starts < 24]) > 0.9
    spans = named["chords"]
    assert spans.ends is not None and np.all(spans.ends > spans.starts)
    assert np.array_equal(spans.ends[:-1], spans.starts[1:])
    shares = named["chord_histogram"].values[0]
    assert shares.shape == (25,) and shares.sum() == pytest.approx(1.0)
    assert found.scalars["chords"][:1] and set(found.scalars["chords"][:4]) == {  # type: ignore[index]
        *("C", "G", "Am", "F")
    }


@pytest.mark.parametrize("up", [0, 6])
def test_a_progression_is_found_by_its_tokens_in_any_key(up: int) -> None:
    tokens = of_piece("chords", "C G Am F", up).scalars["progressions"]
    (wanted,) = wanted_tokens(parse_progression("I–V–vi–IV"))
    (other,) = wanted_tokens(parse_progression("I–vi–ii–V"))
    assert wanted in tokens and other not in tokens  # type: ignore[operator]


def test_chords_and_what_follows_from_them_know_how_sure_they_are() -> None:
    plain, walk = of_piece("chords", "C G Am F"), told("chords", noisy(piece("C G Am F")))
    for found in (plain, walk):
        facts = found.scalars
        beside = {name: facts[f"{name}_confidence"] for name in facts if "_conf" not in name}
        assert all(0.0 <= value <= 1.0 for value in beside.values())  # type: ignore[operator]
        assert beside["degrees"] <= beside["chords"]  # type: ignore[operator]
        spans, sure = series(found)["chords"], series(found)["chord_confidence"]
        assert np.array_equal(spans.starts, sure.starts) and not sure.labels
        assert np.all((sure.values >= 0.0) & (sure.values <= 1.0))
    assert plain.scalars["chords_confidence"] > 0.9  # type: ignore[operator]
    assert walk.scalars["chords_confidence"] < 0.8  # type: ignore[operator]


def test_chances_of_chords_are_those_of_all_paths_through_them() -> None:
    rng = np.random.default_rng(4)
    steps, places, chords = 4, 2, 3
    chances, accents = rng.normal(0, 2, (steps, chords)), rng.normal(0, 1, (steps, places))
    costs = np.array([0.5, 2.0])
    sums = np.zeros((steps, chords))
    states = list(product(range(places), range(chords)))
    for path in product(states, repeat=steps):
        weight = np.exp(sum(accents[t, q] + chances[t, c] for t, (q, c) in enumerate(path)))
        for (place, chord), (to, other) in pairwise(path):
            follows = to == (place + 1) % places
            change = np.exp(-costs[to])
            weight *= follows * ((chord == other) + change) + np.exp(-SLIP) * change
        sums[np.arange(steps), [chord for _, chord in path]] += weight
    assert np.allclose(posteriors(chances, accents, costs), sums / sums.sum(axis=1)[:, None])


def noisy(samples: Samples) -> Samples:
    """So that chords are hardly heard."""
    return np.asarray(0.1 * samples + noise(len(samples) / RATE, RATE), dtype=np.float32)


def test_tuning_is_found_and_does_not_move_the_key() -> None:
    samples = piece("C F G C")
    sharp = np.interp(
        np.arange(0, len(samples), 2 ** (30 / 1200)), np.arange(len(samples)), samples
    )
    found = told("key", sharp.astype(np.float32)).scalars
    assert found["tuning_cents"] == pytest.approx(30.0, abs=5.0)
    assert found["tuning_cents_confidence"] > 0.5  # type: ignore[operator]
    assert found["key_measured"] == "C major"


@pytest.mark.parametrize("what", ["silence", "noise", "drums", "short"])
def test_what_has_no_harmony_has_no_key_and_no_chords(what: str) -> None:
    samples = {
        "silence": np.zeros(20 * RATE, dtype=np.float32),
        "noise": noise(20.0, RATE),
        "drums": drumming(16.0, 110.0),
        "short": piece("C G Am F", bars=3),
    }[what]
    assert not told("key", samples).scalars
    found = told("chords", samples)
    assert not found.scalars
    assert all(np.all(one.values == 24) for name, one in series(found).items() if "by" in name)


def test_one_note_is_no_sure_key() -> None:
    found = told("key", tone(57, 20.0, RATE)).scalars
    assert found.get("key_confidence", 0.0) < 0.8  # type: ignore[operator]


def test_harmony_is_free_of_level() -> None:
    samples = piece("Am F Dm E", up=5)
    loud, soft = (told("chords", level * samples).scalars for level in (0.9, 0.01))
    assert loud == soft
