"""Texts of several requests in one forward, without ever waiting for more of them.

While an encoder is busy, the texts that other threads ask for queue up; the thread that gets the
encoder next takes all of them at once. A text that finds the encoder idle goes alone and at once.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from threading import Condition
from typing import Any

from retrieval.core.budget import Budget
from retrieval.core.errors import InvalidInputError
from retrieval.core.spaces import Vector
from retrieval.encoders.protocol import TextEncoder
from retrieval.search.text_cache import TextCache, frozen

MAX_TEXTS = 32
MAX_CHARACTERS = 8_192
"""Bounds of one forward, so that a short text never waits for dozens of long ones."""


@dataclass(slots=True)
class TextCounts:
    """What became of the texts that one encoder was asked for.

    Attributes:
        asked: Different texts of each request.
        cached: Answered by the cache.
        shared: Answered by what another request for the same text was waiting for.
        encoded: Texts that went through the encoder.
        forwards: Batches they went in.
    """

    asked: int = 0
    cached: int = 0
    shared: int = 0
    encoded: int = 0
    forwards: int = 0


class _Item:
    """A text on its way through the encoder, and what became of it."""

    __slots__ = ("outcome", "text", "tokens", "waiters")

    def __init__(self, text: str, tokens: Any) -> None:
        self.text = text
        self.tokens = tokens
        self.waiters = 0
        self.outcome: Vector | Exception | None = None


class TextBatches:
    """One text encoder, shared by request threads. Its forward runs in one of them at a time."""

    def __init__(self, encoder: TextEncoder, cache: TextCache) -> None:
        """Start idle.

        Args:
            encoder: Its ``prepare_text`` may run in several threads at once.
            cache: May be shared with other encoders.
        """
        self._encoder = encoder
        self._cache = cache
        self._changed = Condition()
        self._queued: dict[str, _Item] = {}
        self._running: dict[str, _Item] = {}
        self._counts = TextCounts()

    def counts(self) -> TextCounts:
        """What became of the texts so far."""
        with self._changed:
            return replace(self._counts)

    def encode(self, texts: Sequence[str], budget: Budget) -> list[Vector | InvalidInputError]:
        """The vectors of a request's texts.

        Args:
            texts: The texts.
            budget: Of the request; checked while its texts wait for the encoder.

        Returns:
            For each text its vector, which cannot be written to, or why it says nothing here.

        Raises:
            DeadlineError: If the deadline passes while they wait.
            CancelledError: If the caller goes away while they wait.
            Exception: Whatever the encoder raises for one of these texts alone.
        """
        found: dict[str, Vector | InvalidInputError] = {}
        prepared: dict[str, Any] = {}
        for text in dict.fromkeys(texts):
            held = self._cache.get(self._encoder.space, text)
            if held is not None:
                found[text] = held
                continue
            try:
                prepared[text] = self._encoder.prepare_text(text)
            except InvalidInputError as error:
                found[text] = error
        with self._changed:
            self._counts.asked += len(found) + len(prepared)
            self._counts.cached += sum(not isinstance(v, Exception) for v in found.values())
        if prepared:
            found.update(self._forwarded(prepared, budget))
        return [found[text] for text in texts]

    def _forwarded(self, prepared: Mapping[str, Any], budget: Budget) -> dict[str, Vector]:
        found: dict[str, Vector] = {}
        mine: dict[str, _Item] = {}
        with self._changed:
            for text, tokens in prepared.items():
                # Another request may have had it encoded since this one looked.
                held = self._cache.get(self._encoder.space, text)
                if held is not None:
                    found[text] = held
                    self._counts.shared += 1
                else:
                    mine[text] = self._join(text, tokens)
        try:
            with budget.waking(self._wake):
                self._see_through(mine.values(), budget)
        finally:
            with self._changed:
                for text, item in mine.items():
                    item.waiters -= 1
                    if not item.waiters and self._queued.get(text) is item:
                        del self._queued[text]
        for text, item in mine.items():
            if isinstance(item.outcome, Exception):
                raise item.outcome
            if item.outcome is not None:
                found[text] = item.outcome
        return found

    def _join(self, text: str, tokens: Any) -> _Item:
        item = self._queued.get(text) or self._running.get(text)
        if item is None:
            item = self._queued[text] = _Item(text, tokens)
        else:
            self._counts.shared += 1
        item.waiters += 1
        return item

    def _see_through(self, mine: Collection[_Item], budget: Budget) -> None:
        """Wait until all of these have an outcome; work for everybody whenever nobody does."""
        while True:
            with self._changed:
                while True:
                    if all(item.outcome is not None for item in mine):
                        return
                    budget.check("encoding the text")
                    if not self._running:
                        break
                    self._changed.wait(budget.remaining())
                batch = self._take()
            try:
                self._forward(batch)
            finally:
                self._hand_out(batch)

    def _take(self) -> list[_Item]:
        """The texts that have waited longest, at least one."""
        room = MAX_CHARACTERS
        for text in list(self._queued)[:MAX_TEXTS]:
            room -= len(text)
            if room < 0 and self._running:
                break
            self._running[text] = self._queued.pop(text)
        return list(self._running.values())

    def _forward(self, batch: Sequence[_Item]) -> None:
        try:
            vectors = self._encoder.forward_text([item.tokens for item in batch])
            for item, vector in zip(batch, vectors, strict=True):
                item.outcome = frozen(vector)
        except Exception as error:
            if len(batch) == 1:
                batch[0].outcome = error
                return
            # One of them is at fault, and the others' requests have nothing to do with it.
            for item in batch:
                if item.outcome is None:
                    self._forward([item])

    def _hand_out(self, batch: Sequence[_Item]) -> None:
        with self._changed:
            self._running = {}
            self._counts.forwards += 1
            unfinished = {}
            for item in batch:
                if item.outcome is None:  # this thread was interrupted: another one takes over
                    if item.waiters:
                        unfinished[item.text] = item
                    continue
                self._counts.encoded += 1
                if not isinstance(item.outcome, Exception):
                    self._cache.put(self._encoder.space, item.text, item.outcome)
            self._queued = {**unfinished, **self._queued}
            # All of them: the one that is woken may be just about to give up.
            self._changed.notify_all()

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()
