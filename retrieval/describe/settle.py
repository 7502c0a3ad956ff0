"""Tempo and key of a track: what a person wrote, and what was measured."""

from __future__ import annotations

from collections.abc import MutableMapping

from retrieval.core.keys import parse_key
from retrieval.core.payload import PayloadValue


def settle(payload: MutableMapping[str, PayloadValue]) -> None:
    """Fill ``bpm``, ``key``, ``mode`` and ``camelot``, which filters look at.

    What stands in the tags or the sidecar wins; else ``bpm_measured`` and ``key_measured`` go
    there. A key is spelt as ``retrieval.core.keys`` does; one that nobody can read gives way to a
    measured one, and otherwise stays as it is.

    Args:
        payload: Of one track; changed in place.
    """
    measured = payload.get("bpm_measured")
    if "bpm" not in payload and measured is not None:
        payload["bpm"] = measured
    for written in (payload.get("key"), payload.get("key_measured")):
        key = parse_key(written) if isinstance(written, str) else None
        if key is not None:
            payload.update(key=key.name, mode=key.mode, camelot=key.camelot)
            return
