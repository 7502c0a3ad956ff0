"""Labels as text vectors: the prompts, and the background they are measured against.

A text model was trained on sentences, so that a bare word is not what it knows best. Each label is
put into several sentences, and its vector is the mean of theirs, of length 1 (prompt ensembling,
Radford et al. 2021). CLAP's captions were of the form "This audio is a <genre> song"
(LAION-AI/CLAP); CLAMP3's text was a mixture of single tags and descriptions. Which wordings serve
best has not been measured on real weights here; a label may bring its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrieval.core.errors import InvalidInputError
from retrieval.core.spaces import (
    Distance,
    EmbeddingSpace,
    Level,
    Modality,
    SparseVector,
    Vector,
)
from retrieval.encoders.protocol import Encoder, TextEncoder
from retrieval.encoders.zero_shot_calibration import units

BATCH = 64
"""Texts per call of ``forward_text``."""

_ANY = ("{} music", "This is {} music", "A piece of music that is {}")
_MOOD = ("{} music", "This music is {}", "music with a {} mood")
_INSTRUMENT = ("{}", "the sound of {}", "music with {}")
_CLAP = {
    "": ("This audio is a {} song", "{} music", "This is a recording of {} music"),
    "mood": ("This audio is a {} song", "{} music", "music with a {} mood"),
    "instrument": ("This audio is a song with {}", "the sound of {}", "music played on {}"),
}
_TEMPLATES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "clap": _CLAP,
    "laion-clap": _CLAP,
    # Anything around a word says something of its own to so small a model.
    "ear": {"": ("{}",)},
    "clamp3": {"": ("{}", *_ANY[:2]), "mood": ("{}", *_MOOD[:2]), "instrument": _INSTRUMENT},
}
_OTHERS = {"": _ANY, "mood": _MOOD, "instrument": _INSTRUMENT}
_PLURALS = {"moods": "mood", "instruments": "instrument"}

BACKGROUND = (
    *("rock", "jazz", "classical", "electronic", "folk", "hip hop", "country", "metal"),
    *("reggae", "blues", "latin", "ambient", "happy", "sad", "aggressive", "relaxing"),
    *("romantic", "mysterious", "piano", "guitar", "drum", "violin", "synthesizer", "choir"),
    *("male vocal", "female vocal", "fast", "slow", "live", "old", "instrumental", "spoken"),
)
"""Many kinds of music in a word each; none stands for anything but the spread of them all."""


@dataclass(frozen=True, slots=True)
class Label:
    """One label of a user's list.

    Attributes:
        name: As it will be seen and filtered by.
        group: Heading it stands under, in lower case, or empty; ``mood`` and ``instrument`` have
            prompts of their own.
        prompts: Sentences that say what it means; empty for those made of the templates.
    """

    name: str
    group: str = ""
    prompts: tuple[str, ...] = ()


def can_tag(space: EmbeddingSpace) -> bool:
    """Whether labels can be compared with tracks in this space: words and sound, by cosine."""
    return (
        space.distance is Distance.COSINE
        and {Modality.TEXT, Modality.AUDIO} <= space.query_modalities
        and Level.TRACK in space.levels
    )


def prompts(space: str, label: Label) -> tuple[str, ...]:
    """What is said for a label in a space: its own prompts, or the templates filled in."""
    if label.prompts:
        return label.prompts
    by_group = _TEMPLATES.get(space, _OTHERS)
    group = _PLURALS.get(label.group, label.group)
    templates = by_group.get(group, by_group[""])
    return tuple(template.replace("{}", label.name) for template in templates)


def label_vectors(encoder: TextEncoder, labels: Sequence[Label]) -> NDArray[np.float32]:
    """Vectors of labels, (n, dim), of length 1: the mean directions of their prompts.

    Raises:
        InvalidInputError: If a prompt says nothing in this space; names label and prompt.
    """
    said = [prompts(encoder.space.name, label) for label in labels]
    tokens = {}
    for label, texts in zip(labels, said, strict=True):
        for text in texts:
            if text not in tokens:
                tokens[text] = _prepare(encoder, label, text)
    order = list(tokens)
    batches = [order[start : start + BATCH] for start in range(0, len(order), BATCH)]
    vectors = [v for some in batches for v in encoder.forward_text([tokens[t] for t in some])]
    by_text = dict(zip(order, units(np.asarray(vectors)), strict=True))
    means = np.stack([np.mean([by_text[text] for text in texts], axis=0) for texts in said])
    return units(means).astype(np.float32)


def background_vectors(encoder: TextEncoder) -> NDArray[np.float32]:
    """Vectors of the background texts, (n, dim), in the sentences that labels are put into.

    A small model does not know them all; those that it does not are left out.
    """
    return label_vectors(encoder, [Label(word) for word in BACKGROUND if _says(encoder, word)])


def evidence(
    encoders: Mapping[str, Encoder], labels: Sequence[Label], track: Mapping[str, Vector]
) -> list[float]:
    """How much nearer a track is to each label than to the background: a difference of cosines.

    It is what ``zero_shot_calibration`` starts from, meaned over the spaces. Unlike scores it is
    not comparable between labels or spaces, so it orders the labels of a track but roughly.
    """
    found = []
    for name, vector in sorted(track.items()):
        encoder = encoders[name]
        if isinstance(encoder, TextEncoder) and not isinstance(vector, SparseVector):
            texts = label_vectors(encoder, labels).astype(np.float64)
            texts -= background_vectors(encoder).astype(np.float64).mean(axis=0)
            found.append(texts @ units(vector[np.newaxis])[0])
    return [float(one) for one in np.mean(found, axis=0)]


def _says(encoder: TextEncoder, word: str) -> bool:
    try:
        encoder.prepare_text(word)
    except InvalidInputError:
        return False
    return True


def _prepare(encoder: TextEncoder, label: Label, text: str) -> object:
    try:
        return encoder.prepare_text(text)
    except InvalidInputError as error:
        raise InvalidInputError(
            f"label {label.name!r}: the prompt {text!r} says nothing in space "
            f"{encoder.space.name!r}: {error.message}",
            reason="INVALID_LABELS",
        ) from error
