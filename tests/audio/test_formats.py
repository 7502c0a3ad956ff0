"""Every format decodes, whatever the file is called."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from retrieval.audio import Limits, open_audio
from retrieval.core.errors import AudioError
from tests import signals
from tests.signals import Samples


def decode(source: Path | bytes, limits: Limits | None = None) -> tuple[Samples, str, bool]:
    with open_audio(source, limits or Limits()) as reader:
        samples = np.concatenate(list(reader.blocks()))
        return samples, reader.format, reader.truncated


@pytest.mark.parametrize("channels", [1, 2, 6, 8])
@pytest.mark.parametrize("format", signals.FORMATS)
def test_sound_survives_every_format(format: str, channels: int) -> None:
    if channels > 2 and format == "mp3":
        pytest.skip("MP3 has two channels")
    sound = np.repeat(signals.sine(440.0, 1.5)[:, None], channels, axis=1)
    samples, found, truncated = decode(signals.encode(sound, format=format))
    assert found == {"alac": "m4a"}.get(format, format)
    assert not truncated
    assert samples.dtype == np.float32
    assert samples.shape[1] == channels
    rate = 48_000 if format in {"opus", "webm"} else signals.RATE
    assert len(samples) / rate == pytest.approx(1.5, abs=0.08)
    # The loudest frequency is the sine's, and its level is kept.
    middle = samples[rate // 2 : rate // 2 + rate // 2, 0]
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle))))
    assert np.argmax(spectrum) * rate / len(middle) == pytest.approx(440.0, abs=3.0)
    assert np.abs(middle).max() == pytest.approx(0.3, rel=0.1)


@pytest.mark.parametrize(
    "subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "IMA_ADPCM"]
)
def test_wav_of_every_kind(subtype: str) -> None:
    sound = signals.sine(440.0, 0.5)
    samples, _, _ = decode(signals.encode(sound, subtype=subtype))
    # ADPCM needs a moment to settle.
    assert np.abs(samples[200 : len(sound), 0] - sound[200:]).max() < 0.02


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 48_000, 96_000])
def test_rates(rate: int) -> None:
    with open_audio(signals.encode(signals.sine(200.0, 0.5, rate), rate)) as reader:
        assert reader.sample_rate == rate
        assert sum(len(block) for block in reader.blocks()) == rate // 2


@pytest.mark.parametrize("name", ["a.WAV", "b.Flac", "c.MP3", "d.OgG", "e.OPUS", "f.M4a", "g.AIFF"])
def test_extension_in_any_case(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(signals.encode(signals.sine(300.0, 0.5), format=path.suffix[1:].lower()))
    samples, found, _ = decode(path)
    assert found == path.suffix[1:].lower()
    assert len(samples) > 10_000


@pytest.mark.parametrize(
    "start", [b"once wide open", b"\0\0\0\x08wide" * 20, b"\0\0\xff\xfffree", b"\0\0\0\x03moov"]
)
def test_words_that_boxes_are_called_by_make_no_quicktime(start: bytes) -> None:
    with pytest.raises(AudioError) as caught:
        decode(start + b" and more words" * 100)
    assert caught.value.reason == "AUDIO_UNSUPPORTED"


@pytest.mark.parametrize("format", signals.FORMATS)
def test_wrong_extension_decodes_by_content(tmp_path: Path, format: str) -> None:
    path = tmp_path / "liar.mp3"
    path.write_bytes(signals.encode(signals.sine(300.0, 0.5), format=format))
    _, found, _ = decode(path)
    assert found == {"alac": "m4a"}.get(format, format)


@pytest.mark.parametrize("name", ["naïve – 東京.flac", "-rf.flac", "http:x.flac", "a b'c\n.flac"])
def test_odd_file_names(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(signals.encode(signals.sine(300.0, 0.5), format="flac"))
    assert len(decode(path)[0]) == signals.RATE // 2


def test_name_that_is_not_unicode(tmp_path: Path) -> None:
    path = tmp_path / b"caf\xe9.wav".decode("utf-8", "surrogateescape")
    try:
        path.write_bytes(signals.encode(signals.sine(300.0, 0.5)))
    except (OSError, UnicodeError):
        pytest.skip("this file system takes Unicode names only")
    assert len(decode(path)[0]) == signals.RATE // 2


def test_mp3_of_variable_bit_rate_without_a_length_decodes_whole() -> None:
    # The first frames are small or large enough to mislead any guess by bit rate.
    sound = np.concatenate([signals.noise(1.0), signals.sine(200.0, 6.0, level=0.01)])
    data = signals.encode(sound, format="mp3", variable=True)
    start = data.find(b"Xing")
    assert start != -1, "the encoder no longer writes a Xing header: adapt this test"
    # Its frame is the first; the sound starts with the next sync word after it.
    stripped = data[data.find(b"\xff\xfb", start) :]
    samples, _, _ = decode(stripped)
    assert len(samples) / signals.RATE == pytest.approx(7.0, abs=0.1)


def test_id3_in_front_of_mp3_aac_and_flac() -> None:
    tag = b"ID3\x03\0\0\0\0\x02\x01" + b"\0" * 257
    for kind in ("mp3", "aac", "flac"):
        samples, found, _ = decode(tag + signals.encode(signals.sine(300.0, 1.0), format=kind))
        assert found == kind
        assert len(samples) == pytest.approx(signals.RATE, abs=4_000)


@pytest.mark.parametrize(
    "data",
    [
        b"just some words, renamed to .mp3\n" * 500,
        "\ufeffUTF-16 text".encode("utf-16-le") * 400,
        b"\xff" * 100_000,
        b"\xff\xfe" * 50_000,
        bytes(range(256)) * 300,
        np.random.default_rng(7).bytes(1 << 20),
        b"\0" * 4_096,
        b"#EXTM3U\nhttp://127.0.0.1/x.mp3\n",
        b"<html><audio src=x></html>",
        b"RIFF\x24\0\0\0AVI LIST" + b"\0" * 500,
        b"OggS" + b"\0" * 40 + b"Speex   ",
    ],
)
def test_what_is_not_sound_is_unsupported(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "words.mp3"
    path.write_bytes(data)
    for source in (path, data):
        with pytest.raises(AudioError) as caught:
            open_audio(source)
        assert caught.value.reason == "AUDIO_UNSUPPORTED"
    with pytest.raises(AudioError, match=r"words\.mp3"):
        open_audio(path)
