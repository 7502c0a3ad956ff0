"""What the ear can do, on compositions, a soundfont and recordings that it was not trained on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from indexer.training.attributes import NAMES, PLACE, decide
from indexer.training.captions import Captioner
from indexer.training.palette import FAMILIES
from indexer.training.shards import Shard
from retrieval.encoders.ear_frontend import SAMPLE_RATE, SECONDS, Heard, listen
from retrieval.encoders.ear_towers import EarAudio, Impression

Array = NDArray[np.float32]
Read = Callable[[str], Array]

RECORDINGS: Mapping[str, str] = {
    "solo trumpet": "trumpet",
    "string orchestra": "brahms",
    "celesta or music box, delicate": "nutcracker",
    "jazz with vibraphone and drums": "vibeace",
    "folk song with guitar and voice": "fishin",
    "someone speaking": "speech",
    "bird song": "robin",
    "whale song": "humpback",
}
"""Queries and the recording of ``../shared/audio`` that each is about."""

_FAMILY_QUERIES = {
    "piano": ("solo piano", "piano"),
    "mallets": ("mallet percussion", "vibraphone", "marimba", "bells", "solo glockenspiel"),
    "organ": ("organ", "solo organ"),
    "guitar": ("solo guitar", "plucked strings", "harp"),
    "bass": ("bass guitar", "solo double bass"),
    "strings": ("bowed strings", "violin", "string section"),
    "voice": ("choir", "singing", "voices"),
    "brass": ("brass", "trumpet", "french horn"),
    "reeds": ("saxophone", "clarinet", "oboe", "reed instruments"),
    "flutes": ("flute", "flutes", "pan flute"),
    "synthesizer": ("synthesizer", "synth pad", "synth lead"),
    "drums": ("drums", "drum solo"),
}

PAIRS: Mapping[str, tuple[str, Sequence[str], Sequence[str]]] = {
    "drums": ("drums", ("music with drums", "drums"), ("music without drums", "no drums")),
    "fast / slow": ("fast", ("fast music", "up-tempo"), ("slow music", "downtempo")),
    "major / minor": ("major", ("music in a major key",), ("music in a minor key",)),
    "bright / dark": ("bright", ("bright sound",), ("dark sound", "muffled")),
    "dense / sparse": ("dense", ("dense music, many notes",), ("sparse music, few notes",)),
}
"""By name: the attribute that decides, and texts for and against it."""
_OPPOSITES = {"fast": "slow", "bright": "dark", "dense": "sparse"}


@dataclass(frozen=True, slots=True, eq=False)
class Heardset:
    """Impressions of windows, and what is true of each."""

    meaning: Array
    identity: Array
    logits: Array
    values: Array
    songs: tuple[str, ...]
    solos: tuple[str | None, ...]

    @property
    def whole(self) -> Array:
        """Vectors as they are stored: (n, meaning + identity), length 1."""
        both = np.concatenate([self.meaning, self.identity], axis=1)
        return np.asarray(both / np.sqrt(2.0), dtype=np.float32)


def hear(shards: Sequence[Shard], ear: EarAudio) -> Heardset:
    """Impressions of every window of some shards."""
    found: list[Impression] = []
    values, songs, solos = [], [], []
    for shard in shards:
        for mel, pitch, truth in zip(shard.mel, shard.pitch, shard.truths, strict=True):
            found.append(ear(Heard(mel, pitch)))
            values.append(decide(truth, mel))
            songs.append(truth.song)
            families = [f for f in FAMILIES if f"family {f}" in PLACE]
            present = [f for f in families if values[-1][PLACE[f"family {f}"]] == 1.0]
            present += ["drums"] if values[-1][PLACE["drums"]] == 1.0 else []
            solos.append(
                present[0] if truth.kind in {"solo", "drums"} and len(present) == 1 else None
            )
    return Heardset(
        np.stack([one.meaning for one in found]),
        np.stack([one.identity for one in found]),
        np.stack([one.logits for one in found]),
        np.stack(values),
        tuple(songs),
        tuple(solos),
    )


def first_windows(heard: Heardset) -> NDArray[np.int64]:
    """The place of the first window of every song."""
    seen: dict[str, int] = {}
    for place, song in enumerate(heard.songs):
        seen.setdefault(song, place)
    return np.asarray(list(seen.values()))


def captions_to_sound(heard: Heardset, read: Read, seed: int = 7) -> dict[str, float]:
    """Full captions against a pool of one window a song."""
    places = first_windows(heard)
    pool = heard.meaning[places]
    captioner, rng = Captioner(), np.random.default_rng(seed)
    ranks = []
    for row, place in enumerate(places):
        caption = captioner.full(heard.values[place], rng)
        scores = pool @ read(caption.text)
        ranks.append(1 + int((scores > scores[row]).sum()))
    found = np.asarray(ranks)
    return {
        "pool": float(len(places)),
        "R@1": float((found <= 1).mean()),
        "R@10": float((found <= 10).mean()),
        "median rank": float(np.median(found)),
    }


def zero_shot(heard: Heardset, read: Read) -> dict[str, float]:
    """Family of solos out of twelve, and pairs of opposites; mean of both sides of each pair.

    A pair of which no window is on one side is left out.
    """
    texts = np.stack(
        [_mean([read(text) for text in _FAMILY_QUERIES[family]]) for family in FAMILIES]
    )
    solos = [place for place, family in enumerate(heard.solos) if family is not None]
    guess = [FAMILIES[int(np.argmax(texts @ heard.meaning[place]))] for place in solos]
    right = np.asarray([heard.solos[p] == g for p, g in zip(solos, guess, strict=True)])
    found = {"family of solos": float(right.mean())}
    for name, (attribute, for_, against) in PAIRS.items():
        truth = heard.values[:, PLACE[attribute]]
        other = _OPPOSITES.get(attribute)
        true = truth == 1.0
        false = heard.values[:, PLACE[other]] == 1.0 if other else truth == 0.0
        if not (true.any() and false.any()):
            continue
        difference = _mean([read(t) for t in for_]) - _mean([read(t) for t in against])
        scores = heard.meaning @ difference
        found[name] = float(((scores[true] > 0).mean() + (scores[false] < 0).mean()) / 2)
        logits = heard.logits[:, PLACE[attribute]]
        found[f"{name} (head)"] = float(
            ((logits[true] > 0).mean() + (logits[false] < 0).mean()) / 2
        )
    return found


def sound_to_sound(heard: Heardset, songs: int = 60) -> dict[str, float]:
    """A segment finds another segment of its song among all segments of some songs."""
    names = list(dict.fromkeys(heard.songs))[:songs]
    places = [place for place, song in enumerate(heard.songs) if song in set(names)]
    vectors = heard.whole[places]
    scores = vectors @ vectors.T
    np.fill_diagonal(scores, -9.0)
    nearest = scores.argmax(axis=1)
    right = [heard.songs[places[i]] == heard.songs[places[j]] for i, j in enumerate(nearest)]
    return {"segments": float(len(places)), "R@1": float(np.mean(right))}


def negation(heard: Heardset, read: Read, limit: int = 10) -> dict[str, float]:
    """How many of the first hits have what a query excludes, with the phrase and without."""
    places = first_windows(heard)
    pool, values = heard.meaning[places], heard.values[places]
    with_it = without_it = 0
    for subject, thing, attribute in _EXCLUSIONS:
        plain = np.argsort(-(pool @ read(subject)))[:limit]
        excluded = np.argsort(-(pool @ read(f"{subject} without {thing}")))[:limit]
        with_it += int((values[plain, PLACE[attribute]] == 1.0).sum())
        without_it += int((values[excluded, PLACE[attribute]] == 1.0).sum())
    return {
        "hits with it": float(with_it),
        "hits with it, asked without": float(without_it),
        "fewer": 1.0 - without_it / max(1, with_it),
    }


_EXCLUSIONS = (
    ("rock music", "drums", "drums"),
    ("jazz", "drums", "drums"),
    ("fast music", "drums", "drums"),
    ("energetic music", "drums", "drums"),
    ("pop song", "drums", "drums"),
    ("classical music", "piano", "kind piano"),
    ("jazz", "piano", "kind piano"),
    ("calm music", "piano", "kind piano"),
    ("electronic music", "bass", "family bass"),
    ("orchestral music", "strings", "family strings"),
    ("folk music", "guitar", "kind guitar"),
    ("hymn", "choir", "kind choir or voice"),
    ("slow music", "organ", "family organ"),
    ("happy music", "brass", "family brass"),
)


def recordings(folder: Path, ear: EarAudio, read: Read) -> dict[str, object]:
    """Rank of the right one of eight recordings for each query, and what is said of drums."""
    from retrieval.audio import Resampler, open_audio, to_mono

    names = sorted(set(RECORDINGS.values()))
    meanings, drums = [], []
    for name in names:
        with open_audio(folder / f"{name}.ogg") as reader:
            mono = np.concatenate([to_mono(block) for block in reader.blocks()])
            sound = Resampler(reader.sample_rate, SAMPLE_RATE).push(mono, last=True)
        size = int(SECONDS * SAMPLE_RATE)
        parts = [sound[i : i + size] for i in range(0, max(1, len(sound) - size // 2), size)]
        found = [ear(listen(part)) for part in parts]
        meanings.append(_mean([one.meaning for one in found]))
        drums.append(
            float(np.mean([1 / (1 + np.exp(-one.logits[PLACE["drums"]])) for one in found]))
        )
    table = np.stack(meanings)
    ranks: dict[str, object] = {}
    for query, name in RECORDINGS.items():
        scores = table @ read(query)
        order = [names[int(i)] for i in np.argsort(-scores)]
        ranks[query] = (1 + order.index(name), order[:3])
    ranks["drums"] = {name: round(value, 2) for name, value in zip(names, drums, strict=True)}
    return ranks


def _mean(vectors: Sequence[Array]) -> Array:
    mean = np.mean(np.stack(vectors), axis=0)
    return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-9), dtype=np.float32)


def attribute_report(heard: Heardset) -> dict[str, float]:
    """Area under the curve of every attribute's head that has both sides."""
    found = {}
    for place, name in enumerate(NAMES):
        truth, scores = heard.values[:, place], heard.logits[:, place]
        true, false = scores[truth == 1.0], scores[truth == 0.0]
        if len(true) >= 5 and len(false) >= 5:
            found[name] = area(true, false)
    return found


def area(true: NDArray[np.floating], false: NDArray[np.floating]) -> float:
    """Area under the curve: how often a true one scores above a false one, ties half."""
    ordered = np.sort(false)
    below = np.searchsorted(ordered, true, "left") + np.searchsorted(ordered, true, "right")
    return float(below.mean() / (2 * len(ordered)))
