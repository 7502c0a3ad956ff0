"""Step 8: chords, one per second."""

from __future__ import annotations

from collections.abc import Mapping

from indexer.dataset.graph import Work
from indexer.dataset.listening import describe
from indexer.formats import chords_seconds
from indexer.formats.chord_names import NO_CHORD, normal_chord
from indexer.formats.chords import ChordTrack, spans_of_seconds
from retrieval.core.errors import AudioError
from retrieval.describe.registry import load

_DESCRIPTOR, _SERIES = "chords", "chords_by_second"


class Chord:
    """``<second> <name>`` per line: major and minor chords and N, each the longest of its second.

    Sound in which no chord is heard at all has no chords: the step fails.
    """

    name = "chord"
    version = 1
    extension = ".lab"
    needs: tuple[str, ...] = ("audio",)
    uses: tuple[str, ...] = ()

    def parameters(self) -> Mapping[str, object]:
        """See ``Step``."""
        return {"chords": load(_DESCRIPTOR).version}

    def run(self, work: Work) -> None:
        """See ``Step``."""
        series = describe(work, _DESCRIPTOR).get(_SERIES)
        labels = [series.label(place) for place in range(len(series.values))] if series else []
        names = [normal_chord(label or NO_CHORD) or NO_CHORD for label in labels]
        track = ChordTrack(spans_of_seconds(names))
        if track.missing:
            message = f"{work.name}: no chord is to be heard in it"
            raise AudioError(message, reason="CHORDS_MISSING")
        work.target.write_text(chords_seconds.to_text(track))
