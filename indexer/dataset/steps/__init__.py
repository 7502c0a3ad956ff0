"""The eleven steps. A new one is a new file and one line here."""

from __future__ import annotations

from pathlib import Path

from indexer.dataset.graph import Step
from indexer.dataset.steps.audio import Audio
from indexer.dataset.steps.chord import Chord
from indexer.dataset.steps.emotion import Emotion
from indexer.dataset.steps.frames import Frames
from indexer.dataset.steps.loudness import Loudness
from indexer.dataset.steps.meta import Meta
from indexer.dataset.steps.midi import Midi
from indexer.dataset.steps.motion import Motion
from indexer.dataset.steps.note_density import NoteDensity
from indexer.dataset.steps.scene import Scene
from indexer.dataset.steps.semantic import Semantic
from retrieval.audio import IsolatedDecoder
from retrieval.video.clips import ClipDecoder

NAMES = (
    *("frames", "motion", "semantic", "emotion", "scene", "audio", "loudness", "chord", "midi"),
    *("note_density", "meta"),
)
"""In the order that documents count them."""


def make_steps(
    root: Path, clips: ClipDecoder, sounds: IsolatedDecoder, *, clip_weights: Path, device: str
) -> tuple[Step, ...]:
    """All steps, ready to run.

    Args:
        root: The dataset's folder, which the vocabulary of chords lies in.
        clips: Decodes pictures.
        sounds: Decodes sound.
        clip_weights: Folder of CLIP ViT-L/14@336.
        device: Where CLIP runs.
    """
    semantic = Semantic(clip_weights, device)
    return (
        Frames(clips),
        Motion(clips),
        semantic,
        Emotion(semantic.model),
        Scene(clips),
        Audio(sounds),
        Loudness(),
        Chord(),
        Midi(),
        NoteDensity(),
        Meta(root),
    )
