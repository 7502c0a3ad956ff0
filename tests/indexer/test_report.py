from __future__ import annotations

import json
import subprocess
import sys

from indexer import Failure, IndexReport, Progress, Stage


def test_json_has_exactly_the_agreed_shape() -> None:
    report = IndexReport(
        found=5,
        indexed=1,
        unchanged=1,
        updated=1,
        removed=2,
        duplicates=1,
        failed=(Failure("/a.wav", "AUDIO_EMPTY", "the file is empty"),),
        seconds=1.23456,
        notes=(Failure("/m.csv", "INVALID_METADATA", "row 2"),),
        audio_seconds=61.72839,
        encoder_seconds=1.1,
        encoder_share=0.91234,
    )
    assert json.loads(json.dumps(report.as_dict())) == {
        "found": 5,
        "indexed": 1,
        "unchanged": 1,
        "updated": 1,
        "removed": 2,
        "duplicates": 1,
        "failed": [{"path": "/a.wav", "reason": "AUDIO_EMPTY", "message": "the file is empty"}],
        "seconds": 1.235,
        "audio_seconds": 61.728,
        "speed": 50.0,
        "encoder_seconds": 1.1,
        "encoder_share": 0.9123,
    }


def test_words() -> None:
    assert IndexReport(seconds=0.04).in_words() == "Found 0 audio files in 0.0 s."
    report = IndexReport(found=1, indexed=1, seconds=75.4)
    assert report.in_words() == "Found 1 audio file in 1 min 15 s: 1 indexed."
    report = IndexReport(found=1, indexed=1, seconds=100, audio_seconds=6000, encoder_share=0.934)
    assert report.in_words() == (
        "Found 1 audio file in 1 min 40 s: 1 indexed. "
        "1 h 40 min of sound, 60 times real time, encoders busy 93%."
    )
    report = IndexReport(
        found=9,
        unchanged=6,
        duplicates=2,
        removed=1,
        failed=(Failure("/a.wav", "AUDIO_EMPTY", ""),),
        seconds=7384,
        interrupted=True,
        notes=(Failure("/m.csv", "INVALID_METADATA", "row 2"),),
    )
    assert report.in_words() == (
        "Found 9 audio files in 2 h 03 min: 6 unchanged, 2 duplicates, 1 failed. "
        "Took 1 recording out of the library. There is 1 note. "
        "Stopped early: all finished work is kept; run the same command to go on."
    )


def test_time_that_remains() -> None:
    assert Progress(Stage.SCAN).remaining is None
    assert Progress(Stage.INDEX, bytes_total=100).remaining is None
    half = Progress(Stage.INDEX, bytes_total=100, bytes_done=25, work_seconds=5.0)
    assert half.remaining == 15.0


def test_the_package_is_light_to_import() -> None:
    program = (
        "import sys, indexer; indexer.IndexOptions(); "
        "heavy = {'numpy', 'av', 'soundfile', 'pydantic', 'qdrant_edge', 'tinytag'}; "
        "loaded = heavy & set(sys.modules); sys.exit(repr(loaded) if loaded else 0)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
