"""Progressions over a library: found in any key, by the chords that were heard."""

from indexer.synth.files import encode
from retrieval.search import LocalLibrary
from retrieval.search.filter_grammar import parse
from tests.describe.pieces import RATE, piece
from tests.indexer.conftest import Place


def test_tracks_are_found_by_a_progression_in_any_key(place: Place) -> None:
    for name, progression, up in (
        *(("c.wav", "I V vi IV", 0), ("fis.wav", "I V vi IV", 6)),
        *(("turned.wav", "vi IV I V", 9), ("other.wav", "I vi ii V", 2)),
    ):
        samples = piece(progression, up=up, bars=8, tempo=140.0)
        (place.music / name).write_bytes(encode(samples[:, None], RATE, "wav"))
    place.index(descriptors=("chords",))
    library = place.library
    assert isinstance(library, LocalLibrary)

    def found(text: str) -> set[str]:
        page = library.list_tracks(filter=parse(text))
        return {path.split("/")[-1] for track in page.tracks for path in track.paths}

    assert found('progressions ~ "I–V–vi–IV"') == {"c.wav", "fis.wav", "turned.wav"}
    assert found('progressions ~ "C Am Dm G"') == {"other.wav"}
    assert found('progressions ~ "I bVII IV"') == set()
    assert found('progressions ~ "I V vi IV" and not progressions ~ "I vi"') == {
        *("c.wav", "fis.wav", "turned.wav")
    }
