"""Texts of several threads through one encoder: together, once each, and nobody left waiting."""

from __future__ import annotations

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from retrieval.core.budget import Budget
from retrieval.core.errors import CancelledError, DeadlineError, InvalidInputError
from retrieval.core.spaces import Distance, EmbeddingSpace, Modality, SparseVector
from retrieval.encoders.lexical import LexicalEncoder
from retrieval.search.encoding import Encoding
from retrieval.search.text_batches import MAX_TEXTS, TextBatches
from retrieval.search.text_cache import TextCache, frozen
from tests.search.catalogue import ToneEncoder
from tests.signals import encode, sine

SPACE = EmbeddingSpace("words", 2, Distance.DOT, "w-1", frozenset({Modality.TEXT}), float16=False)


class Interruption(BaseException):
    """What Ctrl-C is, to a thread that no test depends on."""


class Slow:
    """Length and first letter of a text; a forward lasts as long as its gate is closed."""

    space = SPACE

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.inside = 0
        self.interrupted = False
        self.batches: list[list[str]] = []

    def prepare_text(self, text):
        if text.startswith("?"):
            raise InvalidInputError("no words")
        return text

    def forward_text(self, batch):
        self.inside += 1
        assert self.inside == 1, "two threads in one encoder"
        self.batches.append(list(batch))
        try:
            assert self.gate.wait(30)
            if self.interrupted:
                self.interrupted = False
                raise Interruption
            if any(text.startswith("poison") for text in batch):
                raise ValueError("poison")
            return [vector_of(text) for text in batch]
        finally:
            self.inside -= 1


def vector_of(text):
    return np.array([len(text), ord(text[0])], dtype=np.float32)


def eventually(condition):
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end, "it never came to be"
        time.sleep(0.002)


class Busy:
    """An encoder held in a first forward, and a pool of threads that ask for more."""

    def __init__(self, cache: int = 100) -> None:
        self.encoder = Slow()
        self.encoder.gate.clear()
        self.batches = TextBatches(self.encoder, TextCache(cache))
        self.threads = ThreadPoolExecutor(64)
        self.first = self.ask("first")
        eventually(lambda: self.encoder.batches)

    def ask(self, *texts, budget=None):
        return self.threads.submit(self.batches.encode, texts, budget or Budget())

    def queued(self, count):
        eventually(lambda: len(self.batches._queued) == count)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.encoder.gate.set()
        self.threads.shutdown()
        assert not self.batches._queued
        assert not self.batches._running


def plain(vectors):
    return [vector.tolist() for vector in vectors]


def test_a_lone_request_goes_at_once_and_its_texts_together():
    encoder = Slow()
    found = TextBatches(encoder, TextCache()).encode(["b", "aa", "b", "?"], Budget())
    assert plain(found[:3]) == [[1, 98], [2, 97], [1, 98]]
    assert isinstance(found[3], InvalidInputError)
    assert encoder.batches == [["b", "aa"]]


def test_what_comes_while_the_encoder_is_busy_goes_in_one_forward():
    with Busy() as busy:
        others = [busy.ask(f"{n} text") for n in range(10)]
        busy.queued(10)
        assert len(busy.encoder.batches) == 1
        busy.encoder.gate.set()
        for n, other in enumerate(others):
            assert plain(other.result(30)) == [vector_of(f"{n} text").tolist()]
        assert plain(busy.first.result(30)) == [[5, 102]]
    first, second = busy.encoder.batches
    assert first == ["first"]
    assert sorted(second) == [f"{n} text" for n in range(10)]
    counts = busy.batches.counts()
    assert (counts.asked, counts.cached, counts.encoded, counts.forwards) == (11, 0, 11, 2)


def test_batches_are_bounded_by_number_and_by_length():
    with Busy() as busy:
        short = [busy.ask(f"{n:03d}") for n in range(MAX_TEXTS + 8)]
        busy.queued(MAX_TEXTS + 8)
        busy.encoder.gate.set()
        assert [plain(job.result(30)) for job in short] == [[[3.0, 48.0]]] * (MAX_TEXTS + 8)
    assert [len(batch) for batch in busy.encoder.batches] == [1, MAX_TEXTS, 8]
    with Busy() as busy:
        long = [busy.ask(letter * 4000) for letter in "abcde"]
        busy.queued(5)
        busy.encoder.gate.set()
        assert [job.result(30)[0].tolist()[0] for job in long] == [4000.0] * 5
    assert [len(batch) for batch in busy.encoder.batches] == [1, 2, 2, 1]


def test_a_text_that_fails_fails_its_own_request_only():
    with Busy() as busy:
        good = [busy.ask("good"), busy.ask("fine", "well")]
        bad = busy.ask("poison")
        mixed = busy.ask("sound", "poison too")
        busy.queued(6)
        busy.encoder.gate.set()
        assert plain(good[0].result(30)) == [[4, 103]]
        assert plain(good[1].result(30)) == [[4, 102], [4, 119]]
        for job in (bad, mixed):
            with pytest.raises(ValueError, match="poison"):
                job.result(30)
        # What failed is not kept: the next one to ask may have more luck.
        with pytest.raises(ValueError, match="poison"):
            busy.batches.encode(["poison"], Budget())


def test_the_same_text_is_encoded_once_for_all_who_wait_for_it():
    with Busy(cache=0) as busy:
        same = [busy.ask("same") for _ in range(5)]
        again = busy.ask("first")
        eventually(lambda: busy.batches.counts().shared == 5)
        busy.encoder.gate.set()
        assert len({id(job.result(30)[0]) for job in same}) == 1
        assert plain(again.result(30)) == [[5, 102]]
    assert busy.encoder.batches == [["first"], ["same"]]


@pytest.mark.parametrize("ending", ["cancelled", "late"])
def test_who_gives_up_leaves_at_once_and_takes_its_text_along(ending):
    with Busy() as busy:
        budget = Budget(None if ending == "cancelled" else 0.05)
        leaving = busy.ask("leaving", "shared", budget=budget)
        staying = busy.ask("shared")
        if ending == "cancelled":
            busy.queued(2)
            eventually(lambda: busy.batches.counts().shared == 1)
            budget.cancel()
        with pytest.raises(CancelledError if ending == "cancelled" else DeadlineError):
            leaving.result(30)
        assert not busy.encoder.gate.is_set()
        busy.queued(1)
        busy.encoder.gate.set()
        assert plain(staying.result(30)) == [[6, 115]]
    assert busy.encoder.batches == [["first"], ["shared"]]


def test_what_was_on_its_way_when_its_request_left_is_kept():
    with Busy() as busy:
        budget = Budget()
        encoder, batches = busy.encoder, busy.batches
        waiting = busy.ask("first", budget=budget)
        eventually(lambda: batches.counts().shared == 1)
        budget.cancel()
        with pytest.raises(CancelledError):
            waiting.result(30)
        encoder.gate.set()
        busy.first.result(30)
        assert plain(batches.encode(["first"], Budget())) == [[5, 102]]
    assert encoder.batches == [["first"]]
    assert batches.counts().cached == 1


def test_others_take_over_from_a_thread_that_is_interrupted():
    with Busy() as busy:
        texts = ("one", "two", "three")
        jobs = {text: busy.ask(text) for text in texts}
        busy.queued(3)
        busy.encoder.interrupted = True
        busy.encoder.gate.set()
        ends = {text: job.exception(30) for text, job in [("first", busy.first), *jobs.items()]}
    assert sorted(e is None for e in ends.values()) == [False, True, True, True]
    assert sum(isinstance(e, Interruption) for e in ends.values()) == 1
    for text, job in jobs.items():
        if ends[text] is None:
            assert plain(job.result()) == [vector_of(text).tolist()]


def test_many_threads_that_fail_leave_and_repeat_themselves_all_end():
    encoder = Slow()
    batches = TextBatches(encoder, TextCache(20))

    def client(seed):
        draw = random.Random(seed)
        done = 0
        for _ in range(60):
            text = draw.choice(["poison", "?"] + [f"{n}" for n in range(40)])
            budget = Budget(draw.choice([None, None, 0.0005]))
            if draw.random() < 0.2:
                threading.Timer(draw.random() / 1000, budget.cancel).start()
            try:
                [found] = batches.encode([text], budget)
            except (CancelledError, DeadlineError):
                continue
            except ValueError:
                assert text == "poison"
                continue
            if text == "?":
                assert isinstance(found, InvalidInputError)
            else:
                assert found.tolist() == vector_of(text).tolist()
                done += 1
        return done

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(client, range(8), timeout=60))
    assert not batches._queued
    counts = batches.counts()
    assert counts.asked == 480
    assert counts.cached > 0


class TestCache:
    def test_least_recently_asked_goes_first(self):
        encoder = Slow()
        batches = TextBatches(encoder, TextCache(2))
        for text in ("a", "b", "a", "c", "a", "b"):
            batches.encode([text], Budget())
        assert encoder.batches == [["a"], ["b"], ["c"], ["b"]]

    def test_none_kept(self):
        encoder = Slow()
        cache = TextCache(0)
        batches = TextBatches(encoder, cache)
        for _ in range(2):
            batches.encode(["a"], Budget())
        assert len(encoder.batches) == 2
        assert len(cache) == 0

    def test_exact_text_of_the_very_revision(self):
        cache = TextCache()
        cache.put(SPACE, "a", frozen(vector_of("a")))
        assert cache.get(SPACE, "a") is not None
        assert cache.get(SPACE, "A") is None
        other = EmbeddingSpace("words", 2, Distance.DOT, "w-2")
        assert cache.get(other, "a") is None
        assert cache.get(EmbeddingSpace("other", 2, Distance.DOT, "w-1"), "a") is None

    def test_nobody_can_write_to_what_others_will_read(self):
        [vector] = TextBatches(Slow(), TextCache()).encode(["a"], Budget())
        with pytest.raises(ValueError, match="read-only"):
            vector[0] = 1
        [sparse] = TextBatches(LexicalEncoder(), TextCache()).encode(["blue moon"], Budget())
        assert isinstance(sparse, SparseVector)
        for part in (sparse.indices, sparse.values):
            with pytest.raises(ValueError, match="read-only"):
                part[0] = 1

    def test_a_vector_keeps_no_batch_alive(self):
        rows = np.ones((5, 3), np.float32)
        assert frozen(rows[1]).base is None


class Both(ToneEncoder):
    """Sound and text in one space; each may be held at its gate."""

    def __init__(self):
        super().__init__()
        self.hearing = threading.Event()
        self.gate = threading.Event()

    def forward_audio(self, batch):
        self.hearing.set()
        assert self.gate.wait(30)
        return super().forward_audio(batch)

    def prepare_text(self, text):
        return text

    def forward_text(self, batch):
        return [np.full(10, len(text), np.float32) for text in batch]


def test_a_word_does_not_wait_for_a_sound_and_sounds_take_turns():
    both = Both()
    encoding = Encoding({"tone": both})
    sound = [("upload", encode(sine(300, 2.0)))]
    with ThreadPoolExecutor(3) as threads:
        long = threads.submit(encoding.sounds, [both.space], sound, Budget())
        assert both.hearing.wait(30)
        [vector] = encoding.texts(both.space, ["four"], Budget())
        assert vector.tolist() == [4.0] * 10
        assert not long.done()
        budget = Budget()
        leaving = threads.submit(encoding.sounds, [both.space], sound, budget)
        staying = threads.submit(encoding.sounds, [both.space], sound, Budget())
        late = Budget(0.05)
        with pytest.raises(DeadlineError):
            encoding.sounds([both.space], sound, late)
        budget.cancel()
        with pytest.raises(CancelledError):
            leaving.result(30)
        both.gate.set()
        expected = long.result(30)[0]["tone"].tolist()
        assert staying.result(30)[0]["tone"].tolist() == expected
    assert len(both.batches) == 2
