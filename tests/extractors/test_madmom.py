"""madmom through our pipe beside madmom on a file, as its own documentation uses it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile

from indexer.extractors import madmom, madmom_child
from indexer.formats.chord_names import normal_chord
from tests.comparing import farthest, report
from tests.extractors.originals import needs_madmom, sounds
from tests.signals import Samples, chords, clicks, to_int16

SAME = 5e-5
"""Of an activation; a file's integers are scaled by 32767 there and by 32768 here."""
MOVED = 1e-2

ALONE = """
import json, runpy, sys
import numpy as np
runpy.run_path(sys.argv[1])["_mend"]()
from madmom.features.beats import RNNBeatProcessor
from madmom.features.chords import CNNChordFeatureProcessor, CRFChordRecognitionProcessor
beats, features = RNNBeatProcessor(), CNNChordFeatureProcessor()
recognise = CRFChordRecognitionProcessor()
found = []
for path in sys.argv[2:]:
    spans = [[float(s), float(e), str(c)] for s, e, c in recognise(features(path))]
    found.append({"beats": [float(value) for value in beats(path)], "chords": spans})
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def given() -> dict[str, Samples]:
    rate = madmom.RATE
    some = {name: sound for name, sound in sounds(rate).items() if name not in ("noise", "glide")}
    return some | {
        "clicks": clicks(120, 8.0, rate),
        "chords": chords((60, 65, 67), each=2.0, rate=rate),
    }


@pytest.fixture(scope="module")
def theirs(given, tmp_path_factory) -> dict:
    """Activations and chords of every sound, each from a file of 16 bits."""
    python = needs_madmom()
    folder = tmp_path_factory.mktemp("madmom")
    paths = []
    for name, sound in given.items():
        paths.append(folder / f"{name}.wav")
        soundfile.write(paths[-1], to_int16(sound), madmom.RATE)
    script = Path(madmom_child.__file__)
    done = subprocess.run(
        [python, "-W", "ignore", "-c", ALONE, script, *paths],
        capture_output=True,
        text=True,
        check=True,
    )
    return dict(zip(given, json.loads(done.stdout), strict=True))


def rounded(sound: Samples) -> Samples:
    """What a file of 16 bits holds."""
    return (to_int16(sound) / 32768).astype(np.float32)


def test_beats(given, theirs) -> None:
    extractor = madmom.MadmomBeats(needs_madmom(), device="cpu")
    for name, sound in given.items():
        (found,) = extractor.extract(rounded(sound))
        distance = farthest(found, theirs[name]["beats"])
        report(f"madmom {name}", distance=distance)
        assert distance <= SAME
    (late,) = extractor.extract(rounded(given["clicks"][4410:]))
    extractor.close()
    assert farthest(late, theirs["clicks"]["beats"][: len(late)]) >= MOVED
    # Twice a second, as the clicks come.
    frames = np.asarray(theirs["clicks"]["beats"])
    inner = frames[100:700] - frames[100:700].mean()
    lags = np.correlate(inner, inner, "full")[len(inner) :]
    assert abs(int(lags[30:70].argmax()) + 31 - 50) <= 1


def test_chords(given, theirs) -> None:
    extractor = madmom.MadmomChords(needs_madmom(), device="cpu")
    for name, sound in given.items():
        (track,) = extractor.extract(rounded(sound))
        found = [(span.start, span.end, span.name) for span in track.spans]
        expected = [
            (round(start, 3), round(end, 3), normal_chord(label))
            for start, end, label in theirs[name]["chords"]
        ]
        assert found == expected
    extractor.close()
    assert [c for *_, c in theirs["chords"]["chords"] if c != "N"] == ["C:maj", "F:maj", "G:maj"]
