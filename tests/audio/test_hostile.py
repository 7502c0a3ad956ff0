"""Files made to break a decoder: each ends as a clear error or as sound, within bounds."""

from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from retrieval.audio import Limits, open_audio
from retrieval.core.errors import AudioError
from tests import signals
from tests.audio.test_formats import decode

MIB = 1024 * 1024


def reason(source: Path | bytes, limits: Limits | None = None) -> str:
    with pytest.raises(AudioError) as caught:
        decode(source, limits)
    return caught.value.reason


def with_flac_length(data: bytes, frames: int) -> bytes:
    """The same FLAC file with another number of samples in its STREAMINFO."""
    field = int.from_bytes(data[18:26], "big")
    return data[:18] + (field >> 36 << 36 | frames).to_bytes(8, "big") + data[26:]


def wav_header(frames: int, rate: int = 44_100, channels: int = 2) -> bytes:
    size = min(frames * channels * 2, 0xFFFF_0000)
    return (
        b"RIFF"
        + struct.pack("<I", min(size + 36, 0xFFFF_0000))
        + b"WAVEfmt "
        + struct.pack("<IHHIIHH", 16, 1, channels, rate, rate * channels * 2, channels * 2, 16)
        + b"data"
        + struct.pack("<I", size)
    )


def test_empty_file(tmp_path: Path) -> None:
    path = tmp_path / "nothing.mp3"
    path.write_bytes(b"")
    assert reason(path) == "AUDIO_EMPTY"
    assert reason(b"") == "AUDIO_EMPTY"


def test_missing_file_and_folder(tmp_path: Path) -> None:
    assert reason(tmp_path / "none.wav") == "AUDIO_UNREADABLE"
    assert reason(tmp_path) == "AUDIO_UNREADABLE"


@pytest.mark.parametrize("format", ["wav", "aiff", "ogg"])
def test_no_samples(format: str) -> None:
    data = signals.encode(np.zeros((0, 2), np.float32), format=format)
    assert reason(data) in {"AUDIO_EMPTY", "AUDIO_UNREADABLE"}


@pytest.mark.parametrize("format", ["wav", "flac", "mp3", "ogg", "opus", "m4a", "aiff"])
def test_a_hundredth_of_a_second(format: str) -> None:
    data = signals.encode(signals.sine(440.0, 0.01), format=format)
    assert reason(data) == "AUDIO_TOO_SHORT"


@pytest.mark.parametrize("format", signals.FORMATS)
@pytest.mark.parametrize("part", [0.0002, 0.01, 0.1, 0.4, 0.6, 0.9, 0.995])
def test_truncated_anywhere(format: str, part: float) -> None:
    """What is left is decoded if it is a second or more, and flagged."""
    data = signals.encode(signals.song(5, 4.0), format=format)
    data = data[: max(1, int(len(data) * part))]
    try:
        samples, _, truncated = decode(data)
    except AudioError as error:
        assert error.reason in {"AUDIO_UNREADABLE", "AUDIO_UNSUPPORTED", "AUDIO_TOO_SHORT"}
        if format not in {"m4a", "alac"}:
            # An MP4 whose index is gone cannot be read; all else can, from a second on.
            assert part <= 0.4
    else:
        assert truncated or (format in {"m4a", "alac", "webm"} and part > 0.99)
        assert 1.0 <= len(samples) / 44_100 <= 4.4


@pytest.mark.parametrize("format", signals.FORMATS)
def test_damage_in_the_middle_costs_only_the_middle(format: str) -> None:
    data = bytearray(signals.encode(signals.song(5, 6.0), format=format))
    for place in np.random.default_rng(3).integers(len(data) // 3, len(data) // 2, 60):
        data[place] ^= 0xFF
    samples, _, _ = decode(bytes(data))
    assert len(samples) / 44_100 > 3.0


def test_header_that_promises_a_billion_samples() -> None:
    flac = signals.encode(signals.song(1, 3.0), format="flac")
    promising = with_flac_length(flac, 10**9)
    assert reason(promising) == "AUDIO_TOO_LONG"
    generous = Limits(max_duration=10**6)
    samples, _, truncated = decode(promising, generous)
    assert truncated
    assert len(samples) == 3 * 44_100
    assert reason(promising[:5_000], generous) == "AUDIO_UNREADABLE"
    assert reason(wav_header(10**9)) == "AUDIO_UNREADABLE"
    assert reason(wav_header(10**9) + b"\0" * 1_000) == "AUDIO_UNREADABLE"


@pytest.mark.parametrize("table", ["stsz", "trun"])
@pytest.mark.parametrize("count", [10**7, 150_000_000, 2**32 - 1])
def test_index_that_promises_many_samples(table: str, count: int) -> None:
    """FFmpeg would make an entry for each of them first."""
    data = bytearray(signals.encode(signals.song(1, 2.0), format="m4a"))
    if table == "stsz":
        place = data.index(b"stsz")
        struct.pack_into(">II", data, place + 8, 1, count)
        struct.pack_into(">II", data, data.index(b"stts") + 12, count, 1_024)
        struct.pack_into(">III", data, data.index(b"stsc") + 12, 1, count, 1)
    else:
        trun = struct.pack(">I4sII", 16, b"trun", 0, count)
        tfhd = struct.pack(">I4sII", 16, b"tfhd", 0, 1)
        traf = struct.pack(">I4s", 40, b"traf") + tfhd + trun
        mfhd = struct.pack(">I4sII", 16, b"mfhd", 0, 1)
        data += struct.pack(">I4s", 64, b"moof") + mfhd + traf
    with pytest.raises(AudioError, match="promises") as caught:
        open_audio(bytes(data))
    assert caught.value.reason == "AUDIO_UNREADABLE"


def test_flac_of_unknown_length_decodes_whole() -> None:
    flac = signals.encode(signals.song(1, 3.0), format="flac")
    samples, _, truncated = decode(with_flac_length(flac, 0))
    assert len(samples) == 3 * 44_100
    assert not truncated


def test_limits_hold_on_what_is_decoded_not_only_on_what_is_promised() -> None:
    flac = signals.encode(signals.sine(300.0, 5.0), format="flac")
    small = Limits(max_duration=2.0)
    assert reason(flac, small) == "AUDIO_TOO_LONG"
    assert reason(with_flac_length(flac, 44_100), small) == "AUDIO_TOO_LONG"
    assert reason(signals.encode(signals.sine(300.0, 5.0), format="mp3"), small) == "AUDIO_TOO_LONG"


def test_other_limits() -> None:
    data = signals.encode(signals.stereo(signals.sine(300.0, 1.0)))
    assert reason(data, Limits(max_channels=1)) == "AUDIO_TOO_LARGE"
    assert reason(data, Limits(max_bytes=1_000)) == "AUDIO_TOO_LARGE"
    assert reason(data, Limits(max_sample_rate=22_050)) == "AUDIO_UNSUPPORTED"
    assert reason(data, Limits(min_sample_rate=48_000)) == "AUDIO_UNSUPPORTED"


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [0, 100_000, -1])
def test_samples_that_are_not_numbers(value: float, place: int) -> None:
    sound = signals.song(2, 3.0)
    sound[place, 1] = value
    assert reason(signals.encode(sound, subtype="FLOAT")) == "AUDIO_NOT_FINITE"


def test_samples_beyond_all_sound() -> None:
    sound = signals.song(2, 1.0)
    sound[10, 0] = 1e30
    assert reason(signals.encode(sound, subtype="DOUBLE")) == "AUDIO_UNREADABLE"


def test_errors_name_the_file(tmp_path: Path) -> None:
    path = tmp_path / "broken song.flac"
    path.write_bytes(signals.encode(signals.song(1, 2.0), format="flac")[:2_000])
    with pytest.raises(AudioError, match=r"broken song\.flac"):
        decode(path)
    with pytest.raises(AudioError, match="upload 7"):
        open_audio(b"", name="upload 7")


@pytest.fixture(scope="module")
def hour_of_silence(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("long") / "silence.flac"
    with soundfile.SoundFile(path, "w", 44_100, 2, format="FLAC") as file:
        second = np.zeros((44_100, 2), np.int16)
        for _ in range(3_600):
            file.write(second)
    return path


@pytest.fixture(scope="module")
def long_and_short(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A quarter of an hour and one minute of the same kind of sound."""
    folder = tmp_path_factory.mktemp("mix")
    minute = signals.to_int16(np.tile(signals.song(4, 10.0, 22_050), (6, 1)))
    for name, minutes in (("mix.flac", 15), ("song.flac", 1)):
        with soundfile.SoundFile(folder / name, "w", 22_050, 2, format="FLAC") as file:
            for _ in range(minutes):
                file.write(minute)
    return folder / "mix.flac", folder / "song.flac"


_SCRIPT = """
import sys
from pathlib import Path
from retrieval.audio import open_audio
from retrieval.core.errors import AudioError
from retrieval.encoders.audio_pass import forward_tracks, prepare_track
from retrieval.encoders.registry import default_encoders

encoders = default_encoders().audio()
try:
    with open_audio(Path(sys.argv[1])) as reader:
        result = str(len(forward_tracks([prepare_track(reader, encoders)], encoders)[0].segments))
except AudioError as error:
    result = error.reason
status = Path("/proc/self/status").read_text()
peak = next(line for line in status.splitlines() if line.startswith("VmHWM"))
print(result, int(peak.split()[1]) * 1024)
"""


def measured(path: Path) -> tuple[str, int]:
    """What the whole pass over a file gives in a fresh process, and its peak memory in bytes."""
    command = [sys.executable, "-c", _SCRIPT, str(path)]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    return output[0], int(output[1])


linux = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")


@linux
def test_an_hour_of_silence_in_flac_stays_small(hour_of_silence: Path) -> None:
    assert hour_of_silence.stat().st_size < MIB
    result, peak = measured(hour_of_silence)
    assert result == "AUDIO_SILENT"
    assert peak < 512 * MIB


@linux
def test_a_long_mix_needs_no_more_memory_than_a_song(long_and_short: tuple[Path, Path]) -> None:
    long, short = (measured(path) for path in long_and_short)
    assert (long[0], short[0]) == ("90", "6")
    assert long[1] < 512 * MIB
    assert long[1] < short[1] + 16 * MIB
