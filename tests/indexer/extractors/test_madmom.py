"""madmom in a process of its own: what it answers, and what becomes of one that breaks."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from indexer.extractors import madmom
from retrieval.core.errors import InternalError, InvalidInputError, PreconditionError
from tests.signals import noise

ANSWERS = {
    "beats": 'body = io.BytesIO(); np.save(body, np.linspace(0, 1, n // 441, dtype="<f4"))\n'
    '    say({"bytes": body.tell()}, body.getvalue())',
    "wide": 'body = io.BytesIO(); np.save(body, np.zeros((3, 2), "<f4"))\n'
    '    say({"bytes": body.tell()}, body.getvalue())',
    "chords": 'say({"chords": [[0.0, 0.5, "C:maj"], [0.5, 1.0, "A:min"]]})',
    "odd chords": 'say({"chords": [[0.0, 0.5, "what"]]})',
    "error": 'say({"error": "ValueError: too short"})',
    "crash": "os._exit(3)",
    "garbage": 'sys.stdout.buffer.write(b"[1]\\n"); sys.stdout.buffer.flush()',
    "stall": "time.sleep(60)",
}


@pytest.fixture
def python(tmp_path):
    """A stand-in for madmom's Python that answers as told."""

    def make(answer: str, first: str = 'say({"version": "9.9"})') -> Path:
        program = tmp_path / "answer.py"
        program.write_text(
            "import io, json, os, sys, time\nimport numpy as np\n"
            "def say(head, body=b''):\n"
            "    sys.stdout.buffer.write(json.dumps(head).encode() + b'\\n' + body)\n"
            "    sys.stdout.buffer.flush()\n"
            f"{first}\n"
            "while line := sys.stdin.buffer.readline():\n"
            "    n = json.loads(line)['bytes'] // 4\n"
            "    sys.stdin.buffer.read(4 * n)\n"
            f"    {answer}\n"
        )
        script = tmp_path / "python"
        script.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{program}"\n')
        script.chmod(0o755)
        return script

    return make


def test_what_it_says_becomes_frames_and_chords(python) -> None:
    sound = noise(1.0)
    beats = madmom.MadmomBeats(python(ANSWERS["beats"]), device="cpu")
    (frames,) = beats.extract(sound)
    assert frames.shape == (100,) and frames.dtype == np.float32
    beats.close()
    found = madmom.MadmomChords(python(ANSWERS["chords"]), device="cpu")
    (track,) = found.extract(sound)
    assert [(span.start, span.name) for span in track.spans] == [(0.0, "C"), (0.5, "A:min")]
    assert beats.revision.startswith("madmom-beats-") and beats.revision != found.revision
    found.close()


@pytest.mark.parametrize("answer", ["odd chords", "error"])
def test_what_it_cannot_do_is_the_recordings_fault(python, answer) -> None:
    extractor = madmom.MadmomChords(python(ANSWERS[answer]), device="cpu")
    for _ in range(2):
        with pytest.raises(InvalidInputError, match="madmom: "):
            extractor.extract(noise(1.0))
    extractor.close()


@pytest.mark.parametrize("answer", ["crash", "garbage", "stall"])
def test_a_process_that_breaks_is_ended_and_replaced(python, monkeypatch, answer) -> None:
    monkeypatch.setattr(madmom, "_LEAST", 1.0)
    extractor = madmom.MadmomBeats(python(ANSWERS[answer]), device="cpu")
    with pytest.raises(InternalError, match="broke down"):
        extractor.extract(noise(0.2))
    python(ANSWERS["beats"])
    (frames,) = extractor.extract(noise(1.0))
    assert len(frames) == 100
    extractor.close()


def test_frames_of_another_shape_are_refused(python) -> None:
    extractor = madmom.MadmomBeats(python(ANSWERS["wide"]), device="cpu")
    with pytest.raises(InvalidInputError, match=r"\(3, 2\)"):
        extractor.extract(noise(0.2))
    extractor.close()


def test_no_python_and_no_madmom(tmp_path, python) -> None:
    for place in (tmp_path / "nothing", tmp_path):
        with pytest.raises(PreconditionError, match="madmom==") as caught:
            madmom.MadmomBeats(place, device="cpu")
        assert caught.value.reason == "MODEL_MISSING"
    with pytest.raises(PreconditionError, match="madmom is not in it"):
        madmom.MadmomBeats(python("pass", first="sys.exit(1)"), device="cpu")
    # Our own Python has none.
    with pytest.raises(PreconditionError, match="madmom is not in it"):
        madmom.MadmomBeats(Path(sys.executable), device="cpu")
