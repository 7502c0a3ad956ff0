"""Every extractor has an original to be compared with."""

from __future__ import annotations

from indexer.extractors.registry import descriptions
from tests.extractors.originals import ORIGINALS


def test_no_extractor_is_forgotten() -> None:
    assert set(ORIGINALS) == {one.name for one in descriptions()}
