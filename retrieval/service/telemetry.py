"""What the log tells: each call's method, status, reason and time, and what texts cost.

Never what was asked, never a token.
"""

from __future__ import annotations

import asyncio
import re
import time
import uuid
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from retrieval.search.text_batches import TextCounts
from retrieval.service.calls import CALL, Call, Context, Interceptor, Run
from retrieval.service.logs import Logger

REQUEST_ID = "x-request-id"
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_QUIET = ("/grpc.health.", "/grpc.reflection.")


class Telemetry(Interceptor):
    """Outermost: names the call, measures it, and logs how it ended."""

    def __init__(self, log: Logger) -> None:
        super().__init__()
        self._log = log

    async def around(self, method: str, run: Run, context: Context) -> Any:
        """Run the call and log one line."""
        call = Call(method, _request_id(context))
        CALL.set(call)
        start = time.perf_counter()
        try:
            return await run()
        except asyncio.CancelledError:
            call.code = "CANCELLED"
            raise
        except Exception:
            if call.code == "OK":  # the stream broke below the guard: the caller is gone
                call.code = "UNKNOWN"
            raise
        finally:
            log = self._log.debug if method.startswith(_QUIET) else self._log.info
            log(
                "call",
                method=method.rpartition(".")[2],
                code=call.code,
                reason=call.reason,
                ms=round(1000 * (time.perf_counter() - start), 3),
                request_id=call.request_id,
            )


class TextReport:
    """One line for each space that was asked for texts since the last report."""

    def __init__(self, log: Logger) -> None:
        self._log = log
        self._told: Mapping[str, TextCounts] = {}

    def tell(self, counts: Mapping[str, TextCounts]) -> None:
        """Log what is new; figures are totals since the start."""
        for space, now in counts.items():
            if now != self._told.get(space, TextCounts()):
                self._log.info("texts", space=space, **asdict(now))
        self._told = counts


def _request_id(context: Context) -> str:
    for key, value in context.invocation_metadata() or ():
        if key == REQUEST_ID and isinstance(value, str) and _ID.fullmatch(value):
            return value
    return uuid.uuid4().hex[:16]
