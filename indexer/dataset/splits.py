"""Which videos a model trains on, and which it never sees: by content, and for good."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from indexer.formats.files import bad, read_text

Split = Literal["train", "val", "test"]
SHARES: Mapping[Split, float] = {"val": 0.1, "test": 0.1}
"""Of the first build; the rest trains."""
_SPLITS: TypeAdapter[dict[str, Split]] = TypeAdapter(dict[str, Split])


def read_splits(path: Path) -> dict[str, Split]:
    """The split of each video, by digest; nothing if there is no such file.

    Raises:
        InvalidInputError: FEATURES_UNREADABLE if it is no file of splits.
    """
    if not path.exists():
        return {}
    try:
        return _SPLITS.validate_python(json.loads(read_text(path)))
    except (ValueError, RecursionError, ValidationError) as error:
        raise bad(path, "not an object of digests and train, val or test") from error


def assign(known: Mapping[str, Split], digests: Iterable[str]) -> dict[str, Split]:
    """The same splits, and ``train`` for every video that has none.

    Only if there are none at all, they are drawn: by digest, which is as good as chance and the
    same on every machine.
    """
    new = sorted(set(digests) - known.keys())
    if known:
        return {**known, **dict.fromkeys(new, "train")}
    splits: dict[str, Split] = {}
    start = 0
    for split, share in SHARES.items():
        end = start + round(share * len(new))
        splits |= dict.fromkeys(new[start:end], split)
        start = end
    return {**splits, **dict.fromkeys(new[start:], "train")}


def to_text(splits: Mapping[str, Split]) -> str:
    """The file of splits, by digest."""
    return json.dumps(dict(sorted(splits.items())), indent=1) + "\n"
