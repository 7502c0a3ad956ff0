"""Whose vectors they are: revisions, encoders of this machine, windows."""

from __future__ import annotations

import numpy as np
import pytest

from retrieval.core.errors import InvalidInputError, PreconditionError
from retrieval.core.queries import AudioQuery, SearchRequest, WeightedQuery
from retrieval.core.spaces import Level, Modality
from tests.indexer.conftest import Place
from tests.indexer.encoders import BandsEncoder
from tests.indexer.importing import alike, features, held, run, save, vector


def test_windows_become_segments(place: Place) -> None:
    rows = np.stack([vector(seed)[0] for seed in range(3)])[None]
    save(place, "a.npy", rows)
    _, report = run(place, window=2.5)
    assert report.added == 1
    (record,) = place.records()
    assert [(s.span.start, s.span.end) for s in record.segments] == [
        (0.0, 2.5),
        (2.5, 5.0),
        (5.0, 7.5),
    ]
    for segment, row in zip(record.segments, rows[0], strict=True):
        assert alike(segment.vectors["other"], row)
    assert alike(record.vectors["other"], rows.mean(axis=1))
    with pytest.raises(InvalidInputError, match="window"):
        run(place, window=0.0)


def test_a_revision_says_what_made_the_vectors(place: Place) -> None:
    save(place, "a.npy", vector(1))
    _, first = run(place)
    assert place.library.declare([]).spaces["other"].query_modalities == {
        Modality.TEXT,
        Modality.AUDIO,
    }
    # The same folder goes on; another one must say that it is of the same kind.
    save(place, "b.npy", vector(2))
    assert run(place)[1].revision == first.revision
    moved = features(place).rename(place.music.parent / "moved")
    with pytest.raises(PreconditionError, match=first.revision) as caught:
        run(place, folder=moved)
    assert caught.value.reason == "REVISION_MISMATCH"
    with pytest.raises(PreconditionError):
        run(place, folder=moved, revision="model-2")
    assert run(place, folder=moved, revision=first.revision)[1].found == 2
    save(place, "c.npy", vector(3))
    with pytest.raises(InvalidInputError, match="space"):
        run(place, space=None)
    with pytest.raises(InvalidInputError, match="words"):
        run(place, space="lexical")
    with pytest.raises(PreconditionError, match="SEGUE_ENCODERS"):
        run(place, revision="here")


def test_vectors_of_the_encoder_here_are_found_by_sound(place: Place) -> None:
    bands = BandsEncoder(place.log.path)
    path = place.song("a.wav", 1, seconds=4.0)
    place.song("b.wav", 2, seconds=4.0)
    place.index()
    place.close()
    place.encoders.append(bands)
    library = place.open()
    made = {}
    for name, seed in (("a", 1), ("b", 2)):
        made[name] = np.random.default_rng(seed).uniform(0.1, 1.0, (1, 4)).astype(np.float32)
        save(place, f"{name}.npy", made[name])
    place.work()
    sound, report = run(place, place.music, space="bands", revision="here")
    assert (sound.unchanged, report.added) == (2, 2)
    assert "bands" not in place.log.lines(), "the encoder of the imported space must not run"
    assert library.info().spaces["bands"].revision == bands.space.revision
    request = SearchRequest((WeightedQuery(AudioQuery(path.read_bytes()), spaces=("bands",)),))
    assert len(library.search(request).hits) == 2
    # The space counts as filled: nothing is encoded in it until the sound changes.
    place.log.path.unlink(missing_ok=True)
    assert place.index().unchanged == 2
    assert "bands" not in place.log.lines()
    place.song("c.wav", 3, seconds=4.0)
    assert place.index().indexed == 1
    assert Level.SEGMENT in library.info().spaces["bands"].levels
    assert held(place, "c.wav", "bands") is not None


def test_an_encoders_segments_outlive_an_imported_vector(place: Place) -> None:
    place.close()
    place.encoders.append(BandsEncoder())
    place.open()
    place.song("a.wav", 1, seconds=5.0)
    place.index()
    (before,) = place.records()
    wanted = np.array([[1.0, 2.0, 3.0, 4.0]], dtype=np.float32)
    save(place, "a.npy", wanted)
    run(place, place.music, space="bands", revision="here")
    (after,) = place.records()
    assert alike(after.vectors["bands"], wanted)
    assert [s.span for s in after.segments] == [s.span for s in before.segments]
    for old, new in zip(before.segments, after.segments, strict=True):
        assert old.vectors.keys() == new.vectors.keys()
