"""Tags at index time: from files to payload, with thresholds that stay as they were measured."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from threading import Event

import numpy as np
import pytest
from numpy.typing import NDArray

from indexer.manifest import Manifest, manifest_path
from indexer.progress import Progress, Stage
from indexer.tagging import clear, tag
from indexer.tagging_file import Tagging, load_tagging, tagging_path
from indexer.tagging_measure import Wish
from retrieval.core.errors import InvalidInputError, PreconditionError
from retrieval.core.spaces import Distance, EmbeddingSpace, Level, Modality
from retrieval.core.tracks import Track
from retrieval.encoders.protocol import Windowing
from retrieval.encoders.registry import load
from retrieval.encoders.zero_shot import Label
from tests.indexer.conftest import Place, retag
from tests.signals import encode, to_int16

RATE = 8_000
BANDS = ("low", "middle", "high")


class BandsAndWords:
    """The share of sound in three bands; the words low, middle and high point to one each."""

    sample_rate = RATE
    windowing = Windowing(length=2.0, hop=2.0, minimum=0.1)

    def __init__(self, name: str = "bands") -> None:
        self.space = EmbeddingSpace(
            name=name,
            dim=4,
            distance=Distance.COSINE,
            revision=f"{name}-1",
            query_modalities=frozenset({Modality.AUDIO, Modality.TEXT}),
            levels=frozenset({Level.TRACK}),
        )

    def __reduce__(self) -> tuple[object, ...]:
        return (BandsAndWords, (self.space.name,))

    def prepare_audio(self, window: NDArray[np.float32]) -> NDArray[np.float32]:
        power = np.abs(np.fft.rfft(window)) ** 2
        bands = np.array([part.sum() for part in np.array_split(power, 3)])
        return np.append(bands / bands.sum(), 1.0).astype(np.float32)

    def forward_audio(self, batch: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        return np.stack(batch)

    def pool(
        self, vectors: NDArray[np.float32], durations: NDArray[np.float64]
    ) -> NDArray[np.float32]:
        return np.average(vectors, axis=0, weights=durations).astype(np.float32)

    def prepare_text(self, text: str) -> NDArray[np.float32]:
        # A word of no band still points somewhere.
        turn = sum(map(ord, text)) % 97 / 97
        found = [float(band in text) + 0.02 * abs(np.sin(turn + n)) for n, band in enumerate(BANDS)]
        return np.array([*found, 1.0], dtype=np.float32)

    def forward_text(self, batch: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        return list(batch)


@pytest.fixture
def shop(place: Place) -> Place:
    """A place that hears bands, and twenty tones of which every fourth is low."""
    place.close()
    place.encoders = [BandsAndWords(), load("lexical")]
    place.open()
    for number in range(20):
        tone(place, number)
    (place.data / "labels.txt").write_text("low\nhigh\n[mood]\nnowhere | of no band\n")
    return place


def tone(place: Place, number: int, *, title: str = "") -> Path:
    rng = np.random.default_rng(number)
    pitch = rng.uniform(200, 600) if number % 4 == 0 else rng.uniform(2_900, 3_700)
    t = np.arange(RATE // 2) / RATE
    sound = 0.3 * np.sin(2 * np.pi * pitch * t) + 0.02 * rng.normal(size=len(t))
    data = encode(to_int16(sound.astype(np.float32)), RATE, "flac")
    path = place.music / f"{number:02d}.flac"
    path.write_bytes(retag(data, "flac", title=title or f"Tone {number}"))
    return path


def labels(place: Place) -> Path:
    return place.data / "labels.txt"


def by_number(place: Place) -> dict[int, Track]:
    return {int(Path(track.paths[0]).stem): track for track in place.tracks()}


def frozen(place: Place) -> Tagging:
    (path,) = (place.data / "manifests").glob("tagging-*.json")
    found = load_tagging(path)
    assert found is not None
    return found


def lows(place: Place) -> set[int]:
    return {n for n, t in by_number(place).items() if "low" in tuple(t.payload.get("tags", ()))}


def test_the_first_run_measures_and_tags_all(shop: Place) -> None:
    report = shop.index(tags=labels(shop))
    assert (report.indexed, report.notes) == (20, ())
    assert lows(shop) == {0, 4, 8, 12, 16}
    assert all("low" not in t.payload.get("tags", ()) for n, t in by_number(shop).items() if n % 4)
    assert frozen(shop).spaces["bands"].fits[0].tracks == 20
    before = shop.tracks()
    again = shop.index(tags=labels(shop))
    assert again.unchanged == 20
    assert shop.tracks() == before
    # Computed values are remembered: what was written is what the record says.
    info = shop.library.declare(())
    manifest = Manifest(manifest_path(shop.data / "manifests", info.id), info.id)
    row = manifest.track(by_number(shop)[4].id)
    assert row is not None
    assert row.computed["tags"] == ("low",)
    manifest.close()


def test_later_runs_tag_new_tracks_by_the_frozen_thresholds(shop: Place) -> None:
    shop.index(tags=labels(shop))
    before, revision = by_number(shop), frozen(shop).revision
    for number in range(20, 44):
        # Mostly low now: measured again, low would not be what it was.
        tone(shop, number if number % 3 else 4 * number)
    shop.index()
    after = by_number(shop)
    assert frozen(shop).revision == revision
    assert all(after[number] == before[number] for number in before)
    assert {n for n in after if n % 4 == 0} == lows(shop)
    assert all(t.payload["tagged_by"] == revision for t in after.values())


def test_a_retag_and_a_rename_keep_the_tags(shop: Place) -> None:
    shop.index(tags=labels(shop))
    tone(shop, 4, title="Another")
    (shop.music / "08.flac").rename(shop.music / "88.flac")
    shop.index()
    tracks = by_number(shop)
    assert tracks[4].payload["title"] == "Another"
    assert tracks[4].payload["tags"] == ("low",)
    assert tracks[88].payload["tags"] == ("low",)
    assert tracks[88].payload["tag_low"] > 0.5


def test_it_can_be_stopped_and_taken_up_again(shop: Place) -> None:
    shop.index(tags=labels(shop))
    revision = frozen(shop).revision
    tone(shop, 24)
    assert shop.index(no_tags=True).indexed == 1
    tone(shop, 28)
    shop.index()
    assert lows(shop) == {0, 4, 8, 12, 16}
    shop.index(tags=labels(shop))
    assert lows(shop) == {0, 4, 8, 12, 16, 24, 28}
    assert frozen(shop).revision == revision


def test_another_list_takes_the_place_of_the_first(shop: Place) -> None:
    shop.index(tags=labels(shop))
    fit = frozen(shop).spaces["bands"].fits[0]
    labels(shop).write_text("middle\nlow\n")
    shop.index(tags=labels(shop))
    assert lows(shop) == {0, 4, 8, 12, 16}
    assert not any("tag_high" in track.payload for track in shop.tracks())
    assert frozen(shop).spaces["bands"].fits[1].offset == fit.offset


def test_tags_wait_until_the_library_is_large_enough(shop: Place) -> None:
    for number in range(12, 20):
        (shop.music / f"{number}.flac").unlink()
    report = shop.index(tags=labels(shop))
    assert [note.reason for note in report.notes] == ["TOO_FEW_TRACKS"]
    assert "16 tracks at least" in report.notes[0].message
    assert not any("tagged_by" in track.payload for track in shop.tracks())
    for number in range(12, 20):
        tone(shop, number)
    assert shop.index().notes == ()
    assert lows(shop) == {0, 4, 8, 12, 16}


def test_a_space_more_keeps_the_tags(shop: Place) -> None:
    shop.index(tags=labels(shop))
    before = {n: t.payload for n, t in by_number(shop).items()}
    shop.close()
    shop.encoders.insert(0, BandsAndWords("others"))
    shop.open()
    assert shop.index().updated == 20
    assert {n: t.payload for n, t in by_number(shop).items()} == before
    assert set(frozen(shop).spaces) == {"bands"}


def test_a_space_that_is_added_while_tagging_is_off_leaves_tags_to_be_told_anew(
    shop: Place,
) -> None:
    shop.index(tags=labels(shop))
    shop.index(no_tags=True)
    shop.close()
    shop.encoders.insert(0, BandsAndWords("others"))
    shop.open()
    shop.index()
    assert lows(shop) == {0, 4, 8, 12, 16}
    assert not any("tagged_by" in track.payload for track in shop.tracks())
    shop.index(tags=labels(shop))
    assert all("tagged_by" in track.payload for track in shop.tracks())


def test_stopped_at_the_end_the_next_run_goes_on(shop: Place) -> None:
    shop.index()
    stop = Event()

    def press(now: Progress) -> None:
        if now.stage is Stage.FINISH:
            stop.set()

    report = shop.index(tags=labels(shop), progress=press, stop=stop)
    assert report.interrupted
    shop.index(tags=labels(shop))
    assert lows(shop) == {0, 4, 8, 12, 16}


def test_the_command_and_the_run_share_what_is_frozen(shop: Place) -> None:
    shop.index()
    encoders = {encoder.space.name: encoder for encoder in shop.encoders}
    manifests = shop.data / "manifests"
    wish = Wish((Label("low"),))
    assert tag(shop.library, encoders, wish, manifest_dir=manifests).changed == 20  # type: ignore[arg-type]
    tone(shop, 24)
    shop.index()
    assert lows(shop) == {0, 4, 8, 12, 16, 24}
    tone(shop, 4, title="Another")
    shop.index()
    assert lows(shop) == {0, 4, 8, 12, 16, 24}
    assert clear(shop.library, manifest_dir=manifests) == 21  # type: ignore[arg-type]
    tone(shop, 28)
    tone(shop, 8, title="Another")
    shop.index()
    assert not any({"tags", "tag_low"} & set(track.payload) for track in shop.tracks())
    assert not tagging_path(manifests, shop.library.declare(()).id).exists()


def test_a_list_that_cannot_be_used_stops_the_run_before_it_reads_anything(shop: Place) -> None:
    labels(shop).write_text("low\nlow\n")
    with pytest.raises(InvalidInputError, match="line 2"):
        shop.index(tags=labels(shop))
    with pytest.raises(InvalidInputError, match="not both"):
        shop.index(tags=labels(shop), no_tags=True)
    labels(shop).write_text("low\n")
    shop.encoders = [load("lexical")]
    with pytest.raises(PreconditionError, match="no space here compares words with sound"):
        shop.index(tags=labels(shop))
    assert shop.tracks() == []
