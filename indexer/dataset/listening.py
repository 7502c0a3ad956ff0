"""What descriptors hear in the sound of a video."""

from __future__ import annotations

from collections.abc import Mapping

from indexer.dataset.graph import Work
from retrieval.audio import open_audio
from retrieval.core.series import Series
from retrieval.describe.intake import hear
from retrieval.describe.registry import load


def describe(work: Work, descriptor: str) -> Mapping[str, Series]:
    """The series of one descriptor of the sound that the step ``audio`` made, by name.

    Raises:
        SegueError: The sound cannot be read, or the descriptor is not there.
    """
    with open_audio(work.inputs["audio"], name=work.name) as reader:
        sound = hear(reader)
    work.check()
    return {one.name: one for one in load(descriptor).describe(sound).series}


def duration(work: Work) -> float:
    """Seconds of that sound.

    Raises:
        AudioError: It cannot be read.
    """
    with open_audio(work.inputs["audio"], name=work.name) as reader:
        return sum(len(block) for block in reader.blocks()) / reader.sample_rate
