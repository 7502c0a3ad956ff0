"""``segue tag --audio``: sound files scored by labels, nothing written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from indexer.tagging_file import Tagging, load_tagging, tagging_path
from indexer.tagging_measure import Wish, settle
from indexer.tagging_scores import Tagger
from retrieval.audio import Limits
from retrieval.cli.asking import read_audio
from retrieval.cli.opening import manifest_dir, open_library
from retrieval.cli.output import Column, note, print_json, print_table
from retrieval.cli.state import State
from retrieval.core.budget import Budget
from retrieval.core.errors import AudioError, PreconditionError
from retrieval.core.spaces import EmbeddingSpace, Vector
from retrieval.encoders.registry import EncoderSet, default_encoders
from retrieval.encoders.zero_shot import can_tag, evidence
from retrieval.search.encoding import Encoding

_UNMEASURED = frozenset({"TOO_FEW_TRACKS", "LIBRARY_MISSING"})


def show_sounds(state: State, wish: Wish, paths: Sequence[Path]) -> None:
    """Score sound files by the library's thresholds and print them, best label first.

    Without a library to measure labels on, the bare evidence is shown: it orders the labels of one
    sound, roughly, and says nothing more.

    Raises:
        PreconditionError: If nothing here compares words with sound, or there are no labels.
        AudioError: If a file is not usable audio.
    """
    encoders = default_encoders(state.settings())
    tagging = _measured(state, wish, encoders)
    if tagging is not None:
        spaces = tuple(
            _here(encoders, name, held.revision) for name, held in tagging.spaces.items()
        )
    else:
        spaces = tuple(e.space for e in encoders.values() if can_tag(e.space))
        spaces = tuple(one for one in spaces if not wish.spaces or one.name in wish.spaces)
    heard = _heard(state, encoders, spaces, paths)
    if tagging is not None:
        names = [label.name for label in tagging.labels]
        rows = Tagger(tagging).scores(heard).tolist()
    else:
        note("no library of 16 tracks to measure these labels on: cosines above the background's")
        names = [label.name for label in wish.labels or ()]
        rows = [evidence(encoders, wish.labels or (), sound) for sound in heard]
    _print(state, paths, names, rows, None if tagging is None else tagging.threshold)


def _measured(state: State, wish: Wish, encoders: EncoderSet) -> Tagging | None:
    """Labels with thresholds, or None where there is no library to measure them on."""
    try:
        with open_library(state) as library:
            path = tagging_path(manifest_dir(state), library.info().id)
            return settle(wish, load_tagging(path), library, encoders, lambda _: None)
    except PreconditionError as error:
        usable = any(can_tag(encoder.space) for encoder in encoders.values())
        if wish.labels and usable and error.reason in _UNMEASURED:
            return None
        raise


def _here(encoders: EncoderSet, name: str, revision: str) -> EmbeddingSpace:
    if name not in encoders or encoders[name].space.revision != revision:
        raise PreconditionError(
            f"the labels were measured in space {name!r} of revision {revision}, and its encoder "
            "is not here; add it to SEGUE_ENCODERS, or name another space with --space",
            reason="MODEL_MISSING",
            metadata={"space": name},
        )
    return encoders[name].space


def _heard(
    state: State, encoders: EncoderSet, spaces: Sequence[EmbeddingSpace], paths: Sequence[Path]
) -> list[Mapping[str, Vector]]:
    limits = Limits(max_duration=state.settings().max_duration)
    encoding = Encoding(encoders, limits=limits)
    heard = []
    for path in paths:
        try:
            heard += encoding.sounds(spaces, [(str(path), read_audio(path).data)], Budget())
        except OSError as error:
            raise AudioError(f"{path}: cannot be read: {error.strerror}") from error
    return heard


def _print(
    state: State,
    paths: Sequence[Path],
    names: Sequence[str],
    rows: Sequence[Sequence[float]],
    threshold: float | None,
) -> None:
    sounds = []
    for path, scores in zip(paths, rows, strict=True):
        ranked = sorted(zip(names, scores, strict=True), key=lambda one: -one[1])
        sounds.append((path, [(n, round(s, 3)) for n, s in ranked]))
    key = "evidence" if threshold is None else "score"
    if state.json:
        body = {
            "sounds": [
                {
                    "path": str(path),
                    "labels": [{"name": n, key: s, **_fits(s, threshold)} for n, s in ranked],
                }
                for path, ranked in sounds
            ],
            "threshold": threshold,
        }
        print_json(body)
        return
    table = [
        (path.name, name, f"{score:.3f}", "tag" if _fits(score, threshold).get("tag") else "")
        for path, ranked in sounds
        for name, score in ranked
    ]
    columns = (
        Column("file", cut=True),
        Column("label", "bold"),
        Column(key, "cyan", right=True),
        Column("", "green"),
    )
    print_table(columns, table)


def _fits(score: float, threshold: float | None) -> dict[str, bool]:
    return {} if threshold is None else {"tag": score >= threshold}
