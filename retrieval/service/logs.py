"""Structured logs: JSON lines, or coloured text on a terminal."""

from __future__ import annotations

import re
import sys
from collections.abc import MutableMapping
from typing import Any, TextIO

import structlog
from structlog.typing import FilteringBoundLogger, Processor

Logger = FilteringBoundLogger

# C0 and C1 controls, line and paragraph separators, and bidirectional overrides: what lets a value
# forge a line or hide one.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_LONGEST = 500


def make_logger(level: str, stream: TextIO | None = None) -> Logger:
    """A logger that configures nothing globally.

    Args:
        level: "debug", "info", "warning" or "error"; less severe events are dropped.
        stream: Where lines go; standard error by default.
    """
    target = stream or sys.stderr
    terminal = target.isatty()
    last: list[Processor] = (
        [structlog.dev.ConsoleRenderer()]
        if terminal
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    logger: Logger = structlog.wrap_logger(
        structlog.WriteLogger(target),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            strip_controls,
            *last,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )
    return logger


def strip_controls(
    _logger: object, _name: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Replace control characters in text values, and cut long ones."""
    for key, value in event.items():
        if isinstance(value, str):
            event[key] = _CONTROL.sub("\N{REPLACEMENT CHARACTER}", value[:_LONGEST])
    return event
