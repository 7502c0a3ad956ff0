"""Words are found as people type them; ranked by the real engine in the store's tests."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.core.errors import InvalidInputError
from retrieval.core.payload import Payload
from retrieval.core.spaces import SparseVector
from retrieval.encoders.lexical import LexicalEncoder

ENCODER = LexicalEncoder()


def score(query: str, payload: Payload) -> float:
    """The inner product of a query and a track, before IDF."""
    probe, document = ENCODER.prepare_text(query), ENCODER.encode_words(payload)
    weights = dict(zip(document.indices.tolist(), document.values.tolist(), strict=True))
    return sum(weights.get(index, 0.0) for index in probe.indices.tolist())


def covered(query: str, payload: Payload) -> bool:
    """Whether every word of the query is in the track."""
    probe, document = ENCODER.prepare_text(query), ENCODER.encode_words(payload)
    return set(probe.indices.tolist()) <= set(document.indices.tolist())


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("the who", "The Who"),
        ("the the", "The The"),
        ("YES", "Yes"),
        ("beyonce", "Beyoncé"),
        ("Beyoncé", "Beyonce"),
        ("sigur ros", "Sigur Rós"),
        ("strasse", "Straße"),
        ("елка", "Ёлка"),
        ("ac dc", "AC/DC"),
        ("acdc", "AC/DC"),
        ("AC/DC", "ac/dc"),
        ("rem", "R.E.M."),
        ("amour", "L'amour est bleu"),
        ("l'amour", "L'amour est bleu"),
        ("don't", "Don't Stop"),
        ("dont stop", "Don't Stop"),
        ("mccartney", "Paul McCartney"),
        ("McCartney", "Paul McCartney"),
        ("hip hop", "Hip-Hop"),
        ("hiphop", "Hip-Hop"),
        ("1999", "1999"),
        ("99 problems", "99 Problems"),
        ("7", "7"),
        ("2pac", "2Pac"),
        ("u2", "U2"),
        ("東京", "東京事変"),
        ("さくら", "さくら"),
        ("кино", "Кино"),
        ("ｆｕｌｌ", "full"),
    ],
)
def test_names_are_found(query: str, text: str) -> None:
    assert covered(query, {"title": text})
    assert covered(query, {"artist": text})


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ("vibe", "/music/jazz/01 - VibeAce_final-mix (live).ogg"),
        ("vibeace", "/music/jazz/01 - VibeAce_final-mix (live).ogg"),
        ("final mix live", "/music/jazz/01 - VibeAce_final-mix (live).ogg"),
        ("1999", "1999.mp3"),
        ("love song", r"C:\Music\love.song.flac"),
        ("artist title", "artist-title.flac"),
    ],
)
def test_file_names_are_found(query: str, path: str) -> None:
    assert covered(query, {"paths": (path,)})


def test_extension_track_number_and_directories_are_no_words() -> None:
    payload = {"paths": ("/home/somebody/07. Title.flac",)}
    for word in ("flac", "somebody", "home", "07"):
        assert score(word, payload) == 0.0
    assert score("somebody", {"folder": "somebody/Blue"}) > 0.0


@pytest.mark.parametrize(
    "field", ["title", "artist", "album", "album_artist", "genre", "composer", "comment", "folder"]
)
def test_every_field_counts(field: str) -> None:
    assert score("zebra", {field: "a zebra crossing"}) > 0.0
    assert score("zebra", {field: ("horse", "zebra")}) > 0.0


def test_other_fields_do_not() -> None:
    assert len(ENCODER.encode_words({"year": 1999, "key": "zebra", "format": "flac"})) == 0


def test_repeated_values_count_once() -> None:
    once = {"artist": "Kevin MacLeod", "title": "Vibe Ace"}
    again = {**once, "album_artist": "kevin macleod", "paths": ("x/Kevin MacLeod - Vibe Ace.ogg",)}
    assert score("kevin", again) == score("kevin", once)
    assert score("vibe", again) == score("vibe", once)


def test_a_long_comment_does_not_hide_the_title() -> None:
    words = " ".join(f"word{i}" for i in range(500))
    plain, wordy = (
        score("zebra", {"title": "zebra"}),
        score("zebra", {"title": "zebra", "comment": words}),
    )
    assert wordy > 0.3 * plain
    assert score("word400", {"comment": words}) == 0.0


@pytest.mark.parametrize("text", ["", "   ", "!!!", "—", "🎵🎶", "..."])
def test_text_without_words_is_refused(text: str) -> None:
    with pytest.raises(InvalidInputError, match="word") as caught:
        ENCODER.prepare_text(text)
    assert caught.value.metadata["field"] == "text"


@settings(max_examples=200, deadline=None)
@given(text=st.text(max_size=80))
def test_a_text_finds_itself(text: str) -> None:
    try:
        probe: SparseVector = ENCODER.prepare_text(text)
    except InvalidInputError:
        return
    assert set(probe.values.tolist()) == {1.0}
    assert covered(text, {"title": text})
