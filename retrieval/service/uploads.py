"""Streams of requests, counted while they are read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TypeVar

from retrieval.api.checks import invalid
from retrieval.api.v1 import search_pb2 as pb
from retrieval.core.errors import BusyError, DeadlineError

T = TypeVar("T")

IDLE_SECONDS = 30.0
"""A stream that sends nothing for this long is ended: it holds a place others wait for."""


async def paced(requests: AsyncIterator[T], idle: float = IDLE_SECONDS) -> AsyncIterator[T]:
    """The messages of a stream.

    Raises:
        DeadlineError: If the next one takes longer than ``idle`` seconds.
    """
    while True:
        try:
            async with asyncio.timeout(idle):
                request = await anext(requests)
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise DeadlineError(f"nothing was sent for {idle:g} s") from None
        yield request


async def receive_sounds(
    requests: AsyncIterator[pb.SearchAudioRequest], max_bytes: int
) -> pb.SearchRequest:
    """Put a streamed search together.

    Args:
        requests: The request first, then chunks.
        max_bytes: Most bytes of sounds and clips, over all queries.

    Raises:
        InvalidInputError: If the first message is not the request, a later one is, or a chunk is
            for a query that is neither a sound nor a clip.
        BusyError: TOO_LARGE as soon as the limit is passed; nothing more is read then.
    """
    request: pb.SearchRequest | None = None
    sounds: dict[int, bytearray] = {}
    total = 0
    async for message in paced(aiter(requests)):
        part = message.WhichOneof("part")
        if request is None:
            if part != "request":
                raise invalid("request", "must come in the first message of the stream")
            request = message.request
            sounds = {
                i: bytearray(query.audio or query.video.clip)
                for i, query in enumerate(request.queries)
                if query.WhichOneof("kind") == "audio" or _is_clip(query)
            }
            total = sum(map(len, sounds.values()))
        elif part != "chunk":
            raise invalid("chunk", "every message after the first must hold one")
        elif message.chunk.query not in sounds:
            raise invalid("chunk.query", f"query {message.chunk.query} is no sound or clip")
        else:
            total += len(message.chunk.data)
            if total <= max_bytes:
                sounds[message.chunk.query] += message.chunk.data
        if total > max_bytes:
            raise BusyError(
                f"the sounds and clips of a search may have {max_bytes} bytes in all",
                reason="TOO_LARGE",
                metadata={"max_bytes": str(max_bytes)},
            )
    if request is None:
        raise invalid("request", "must come in the first message of the stream")
    for i, sound in sounds.items():
        query = request.queries[i]
        if _is_clip(query):
            query.video.clip = bytes(sound)
        else:
            query.audio = bytes(sound)
    return request


def _is_clip(query: pb.Query) -> bool:
    return bool(query.WhichOneof("kind") == "video" and query.video.WhichOneof("of") == "clip")
