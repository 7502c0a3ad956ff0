"""Work cut by seconds of sound."""

from __future__ import annotations

from collections import deque
from typing import cast

from hypothesis import given
from hypothesis import strategies as st

from indexer.job import Job
from indexer.steps import Track, cut_step
from retrieval.core.tracks import Span
from retrieval.encoders.prepared import PreparedTrack, PreparedWindows
from retrieval.encoders.protocol import PreparedWindow


def windows(count: int, length: float) -> PreparedWindows:
    outline = tuple(PreparedWindow(Span(length * i, length * (i + 1)), None) for i in range(count))
    return PreparedWindows(outline, list(range(count)))


def track(**spaces: tuple[int, float]) -> Track:
    found = {space: windows(*shape) for space, shape in spaces.items() if shape[0]}
    prepared = PreparedTrack("0" * 32, 1.0, 8_000, 1, "wav", truncated=False, windows=found)
    return Track(cast(Job, None), prepared)


counts = st.tuples(st.integers(0, 40), st.integers(0, 40)).filter(any)


@given(st.lists(counts, min_size=1, max_size=8), st.sampled_from([1.0, 20.0, 60.0, 1_000.0]))
def test_every_window_is_in_one_step(shapes: list[tuple[int, int]], budget: float) -> None:
    tracks = [track(fives=(a, 5.0), tens=(b, 10.0)) for a, b in shapes]
    waiting, whole = deque(tracks), deque[Track]()
    seen: dict[tuple[int, str], list[int]] = {}
    while waiting:
        step = cut_step(waiting, whole, budget)
        # The last window of each share may stick out.
        assert 0 < step.seconds < budget + 40
        for part in step.parts:
            place = tracks.index(part.track), part.space
            seen.setdefault(place, []).extend(range(part.first, part.end))
            features = part.track.prepared.windows[part.space]
            assert features[part.first].features == part.first
    for number, one in enumerate(tracks):
        for space, found in one.prepared.windows.items():
            assert seen[number, space] == list(range(len(found)))
        assert one.out > 0


def test_short_tracks_do_not_wait_for_a_long_one() -> None:
    long, short = track(fives=(10_000, 5.0)), [track(fives=(4, 5.0)) for _ in range(3)]
    waiting = deque([long, *short])
    step = cut_step(waiting, deque(), 100.0)
    assert {id(part.track) for part in step.parts} == {id(one) for one in (long, *short)}
    assert list(waiting) == [long]


def test_tracks_that_are_through_ride_along() -> None:
    done = track(fives=(1, 5.0))
    whole = deque([done])
    step = cut_step(deque(), whole, 100.0)
    assert (step.parts, step.wholes, list(whole)) == ((), (done,), [])
