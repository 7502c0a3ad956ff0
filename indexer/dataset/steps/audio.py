"""Step 6: the sound of a video as WAV."""

from __future__ import annotations

import io
from collections.abc import Mapping

import soundfile

from indexer.dataset.clips import SECONDS
from indexer.dataset.graph import Work
from retrieval.audio import IsolatedDecoder, Limits
from retrieval.core.errors import AudioError

_LIMITS = Limits(max_duration=12 * 3600.0, max_bytes=2 * 1024**3)


class Audio:
    """16-bit WAV with the rate and channels of the video, at most ``SECONDS`` long."""

    name = "audio"
    version = 1
    extension = ".wav"
    needs: tuple[str, ...] = ()
    uses: tuple[str, ...] = ()

    def __init__(self, decoder: IsolatedDecoder) -> None:
        self._decoder = decoder

    def parameters(self) -> Mapping[str, object]:
        """See ``Step``."""
        return {"seconds": SECONDS}

    def run(self, work: Work) -> None:
        """See ``Step``."""
        try:
            size = work.source.stat().st_size
            if size > _LIMITS.max_bytes:
                message = f"{work.name}: {size} bytes are too many to find the sound in"
                raise AudioError(message, reason="AUDIO_TOO_LARGE")
            data = work.source.read_bytes()
        except OSError as error:
            raise AudioError(f"{work.name}: cannot be read: {error.strerror}") from error
        sound = self._decoder.decode(data, _LIMITS, name=work.name)
        buffer = io.BytesIO()
        samples = sound.samples[: SECONDS * sound.sample_rate]
        soundfile.write(buffer, samples, sound.sample_rate, format="WAV", subtype="PCM_16")
        work.target.write_bytes(buffer.getvalue())
