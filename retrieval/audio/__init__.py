"""Bounded decoding: the only place where bytes become sound."""

from retrieval.audio.digest import SoundDigest, stream_digest
from retrieval.audio.formats import FORMATS
from retrieval.audio.isolated import IsolatedDecoder
from retrieval.audio.limits import SILENCE_PEAK, Limits
from retrieval.audio.reader import open_audio
from retrieval.audio.sound import AudioReader, Sound
from retrieval.audio.windows import Resampler, Window, WindowCutter, to_mono

__all__ = [
    "FORMATS",
    "SILENCE_PEAK",
    "AudioReader",
    "IsolatedDecoder",
    "Limits",
    "Resampler",
    "Sound",
    "SoundDigest",
    "Window",
    "WindowCutter",
    "open_audio",
    "stream_digest",
    "to_mono",
]
