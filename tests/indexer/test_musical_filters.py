"""Songs of known tempo, key and chords are found by them: in the library, and through a service."""

from indexer.synth.files import encode
from retrieval.client import Client
from retrieval.core.library import Library
from retrieval.core.queries import RecommendRequest, SearchRequest, TextQuery, WeightedQuery
from retrieval.search import LocalLibrary
from retrieval.search.filter_grammar import parse
from tests.describe.pieces import RATE, piece
from tests.indexer.conftest import Place
from tests.service.running import Running, settings

SONGS = {
    "c": ("I V vi IV", 0, 140.0),
    "fis": ("I V vi IV iii IV V I", 6, 120.0),
    "slow": ("I IV V I vi ii V I", 7, 61.0),
    "minor": ("i iv V i bVI iv V i", 9, 98.0),
}
"""Progression, semitones up from C, and beats per minute."""

# What a person says of a key wins over what is heard.
CATALOGUE = "path,title,key\n" + "".join(
    f"{name}.wav,song {name},{'a# moll' if name == 'minor' else ''}\n" for name in SONGS
)

FOUND = {
    "bpm ~ 118..124": {"fis", "slow"},
    "bpm in 118..124": {"fis"},
    "bpm ~ 70": {"c"},
    "bpm ~ 60": {"fis", "slow"},
    "not bpm ~ 49": {"c", "fis", "slow"},
    'key = "Gb major"': {"fis"},
    'key = "2B"': {"fis"},
    'key = "Bbm"': {"minor"},
    'key = "A#" and mode = "minor"': {"minor"},
    'key_measured = "Am"': {"minor"},
    'key in ("C", "G dur")': {"c", "slow"},
    'key mixes with "9B"': {"c", "slow"},
    'key relative of "d♯ minor"': {"fis"},
    'progressions ~ "I–V–vi–IV"': {"c", "fis"},
    'chords ~ "Eb Bb Cm Ab"': {"c", "fis"},
    'progressions ~ "I V vi IV I V vi"': {"c"},
    'progressions ~ "i iv V i"': {"minor"},
    'progressions ~ "I bVII IV"': set(),
    'chords = "Gb"': {"fis"},
    'key mixes with "7A" or progressions ~ "I V vi IV" and bpm ~ 240': {"fis"},
}


def test_songs_are_found_by_what_they_are(place: Place) -> None:
    for name, (progression, up, tempo) in SONGS.items():
        samples = piece(progression, up=up, bars=9, tempo=tempo)
        (place.music / f"{name}.wav").write_bytes(encode(samples[:, None], RATE, "wav"))
    catalogue = place.music.parent / "catalogue.csv"
    catalogue.write_text(CATALOGUE)
    place.index(descriptors=("rhythm", "key", "chords"), metadata=catalogue)
    library = place.library
    assert isinstance(library, LocalLibrary)

    def names(library: Library, text: str) -> set[str]:
        page = library.list_tracks(filter=parse(text))
        return {path.split("/")[-1].removesuffix(".wav") for t in page.tracks for path in t.paths}

    assert {text: names(library, text) for text in FOUND} == FOUND
    with (
        Running(settings(place.data), lambda: library) as running,
        Client(running.address) as client,
    ):
        assert {text: names(client, text) for text in FOUND} == FOUND
        wanted = parse('key mixes with "9B" and bpm ~ 120..142')
        words = WeightedQuery(TextQuery("song"), spaces=("lexical",))
        hits = client.search(SearchRequest((words,), filter=wanted)).hits
        assert {hit.track.payload["title"] for hit in hits} == {"song c", "song slow"}
        (slow,) = client.list_tracks(filter=parse('title = "song slow"')).tracks
        similar = RecommendRequest((slow.id,), spaces=("perceptual",), filter=wanted)
        assert [h.track.payload["title"] for h in client.recommend(similar).hits] == ["song c"]
