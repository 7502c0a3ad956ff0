"""What an encoder that can tell hears in tracks: noted while it prepares them, told afterwards.

Nothing is decoded or encoded for it: the windows are those that the track's vectors are made of.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval.describe.heard import Heard
from retrieval.describe.protocol import LONGEST, Attributes, Descriptor
from retrieval.encoders.audio_pass import PreparedTrack
from retrieval.encoders.protocol import AudioEncoder, Encoder, HasAttributes


def listener(encoders: Iterable[Encoder]) -> HasAttributes | None:
    """The encoder that can tell what it hears, or None if there is none."""
    return next((one for one in encoders if isinstance(one, HasAttributes)), None)


def with_listener(
    descriptors: Iterable[Descriptor], encoders: Iterable[Encoder]
) -> tuple[Descriptor, ...]:
    """The descriptors that can tell something beside these encoders, in order.

    What is heard is told anew once another listener, or the same with other weights, is there.
    """
    ear = listener(encoders)
    if ear is None:
        return tuple(one for one in descriptors if not isinstance(one, Heard))
    bound = Heard(ear.space.revision)
    return tuple(bound if isinstance(one, Heard) else one for one in descriptors)


class Overhearing:
    """Encoders for one track, of which one is overheard as it prepares its windows."""

    def __init__(self, encoders: Sequence[AudioEncoder], descriptors: Iterable[Descriptor]) -> None:
        """Choose.

        Args:
            encoders: All there are.
            descriptors: Those the track will be described by.
        """
        wanted = any(isinstance(one, Heard) for one in descriptors)
        ear = listener(encoders) if wanted else None
        self._overheard = None if ear is None else _Overheard(ear)

    def among(self, encoders: Sequence[AudioEncoder]) -> list[AudioEncoder]:
        """What to prepare the track for, so that it is encoded by these and heard."""
        overheard = self._overheard
        if overheard is None:
            return list(encoders)
        others = [one for one in encoders if one.space.name != overheard.space.name]
        return [*others, overheard]

    def attributes(self) -> Attributes | None:
        """What was heard, once the track is prepared; None where nobody listened."""
        return None if self._overheard is None else self._overheard.attributes()


def only(track: PreparedTrack, encoders: Iterable[AudioEncoder]) -> PreparedTrack:
    """A prepared track with the windows of these encoders."""
    names = {one.space.name for one in encoders}
    return replace(track, windows={n: w for n, w in track.windows.items() if n in names})


class _Overheard:
    """An encoder that notes what it hears in the first windows it prepares."""

    def __init__(self, ear: HasAttributes) -> None:
        self._ear = ear
        self.space, self.sample_rate, self.windowing = ear.space, ear.sample_rate, ear.windowing
        self._chances: list[NDArray[np.float64]] = []
        self._seconds: list[float] = []

    def prepare_audio(self, window: NDArray[np.float32]) -> Any:
        features = self._ear.prepare_audio(window)
        if sum(self._seconds) < LONGEST:
            self._chances.append(self._ear.chances([features])[0])
            self._seconds.append(len(window) / self.sample_rate)
        return features

    def forward_audio(self, batch: Sequence[Any]) -> NDArray[np.float32]:
        return self._ear.forward_audio(batch)

    def pool(
        self, vectors: NDArray[np.float32], durations: NDArray[np.float64]
    ) -> NDArray[np.float32]:
        return self._ear.pool(vectors, durations)

    def attributes(self) -> Attributes | None:
        if not self._seconds:
            return None
        return Attributes(self._ear.attributes, np.stack(self._chances), np.asarray(self._seconds))
