"""``segue train recommender``: choose by validation, learn again, and test once."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexer.learning.baselines import baselines
from indexer.learning.clip_reader import ClipReader
from indexer.learning.fitting import Session, State
from indexer.learning.measures import Pool, Values, aim, as_json, fused, gain, pool_of, quality
from indexer.learning.mlp import Mlp, MlpRecipe
from indexer.learning.music import MusicSource
from indexer.learning.options import (
    TrainingOptions,
    TrainingReport,
    begin,
    check_options,
    kept,
    write_model,
)
from indexer.learning.prepared import Prepared, prepare_pairs
from indexer.learning.splits import Split, split
from indexer.learning.tables import Pairs, read_pairs
from indexer.learning.temporal import Temporal
from indexer.learning.tuning import tune
from indexer.learning.watching import Watch
from indexer.stopping import stopping_on_signals
from retrieval.core.video import VIDEO_DIMS
from retrieval.encoders.perceptual_dims import DIMS
from retrieval.video.frame_model import FrameModel
from retrieval.video.model_card import Card, Shape

_FUSED = "fused"


@dataclass(frozen=True, slots=True, eq=False)
class _Chosen:
    """What validation decided.

    Attributes:
        kind: ``mlp`` or ``temporal``.
        channel: By what it ranks: ``mean``, ``projection`` or ``fused``.
        recipe: Of the baseline.
        epochs: By kind, how many are best.
        validation: By contender, recall@3 and MRR of clips among the tracks of validation.
    """

    kind: str
    channel: str
    recipe: MlpRecipe
    epochs: dict[str, int]
    validation: dict[str, dict[str, float]]


def train_recommender(
    table: Path,
    out: Path,
    options: TrainingOptions,
    *,
    space: tuple[str, str] | None = None,
    music: MusicSource | None = None,
    frames: FrameModel | None = None,
    watch: Watch | None = None,
    stop: threading.Event | None = None,
) -> TrainingReport:
    """Train on a table of pairs and write the better of two models.

    Args:
        table: The pairs; see ``tables.read_pairs``.
        out: The safetensors file to write.
        options: Choices.
        space: Name and revision of the space of the table's embeddings, if they do not say so
            themselves.
        music: Knows the tracks that the table only names; None if none is needed.
        frames: Looks at the frames of video files.
        watch: Told how far the run is.
        stop: Set it from another thread to end the run as Ctrl-C does.

    Raises:
        InvalidInputError: INVALID_METADATA for a table that will not do; names the line and column.
        PreconditionError: UNIMPLEMENTED if Optuna is wanted and not installed.
        CancelledError: The run was stopped; the same call goes on with it.
    """
    stop = stop or threading.Event()
    check_options(out, options)
    with stopping_on_signals(stop):
        with ClipReader(table, frames=frames, watch=watch, stop=stop) as reader:
            pairs = read_pairs(
                table,
                reader,
                video_set=options.video_set,
                revision=options.output_set,
                space=space,
                music=music,
            )
        parts = split(
            [(pairs.clips.sources[clip], pairs.tracks[track]) for clip, track in pairs.rows],
            pairs.splits,
            options.seed,
        )
        session = begin(out, pairs.digest, options, watch=watch, stop=stop)
        with kept(session):
            chosen = _choose(pairs, parts, options, session)
            card, tensors = _finish(pairs, parts, options, session, chosen=chosen)
        write_model(out, card, tensors, session)
    return TrainingReport(out, card, session.resume.begun)


def _choose(pairs: Pairs, parts: Split, options: TrainingOptions, session: Session) -> _Chosen:
    """Train both kinds on the training part, and let validation decide."""
    data = prepare_pairs(pairs, parts.train)
    pool = pool_of(pairs.rows[parts.validation])

    def attempt(stage: str, recipe: MlpRecipe, *, keep: bool = False) -> tuple[float, int]:
        one = Mlp(data, pairs.rows, recipe)
        _, fitted = one.train(stage, parts.train, session, pool=pool, keep=keep)
        # Equals are told apart by the mean reciprocal rank.
        return fitted.score[0] + 1e-3 * fitted.score[1], fitted.epochs

    recipe, epochs = MlpRecipe(), {}
    if options.trials:
        recipe, _ = tune(attempt, options.trials, session)
    mlp = Mlp(data, pairs.rows, recipe)
    network, fitted = mlp.train("baseline", parts.train, session, pool=pool)
    epochs["mlp"] = fitted.epochs
    found = baselines(data, pairs.rows, parts.train, pool)
    found["mlp"] = mlp.scores(network, pool)["mean"]
    candidates = {"mlp": ("mlp", "mean")}
    if options.model != "mlp":
        temporal = Temporal(data, pairs.rows, options.temporal, pairs.music.space)
        task, fitted = temporal.train("temporal model", parts.train, session, pool=pool)
        epochs["temporal"] = fitted.epochs
        channels = _with_fusion(temporal.scores(task, pool))
        found |= {f"temporal, {name}": scores for name, scores in channels.items()}
        best = _best_channel(channels, pool, session.seed)
        candidates[f"temporal, {best}"] = ("temporal", best)
        if options.model == "temporal":
            del candidates["mlp"]
    # Of equals the simpler one, which comes first.
    kind, channel = candidates[max(candidates, key=lambda name: aim(found[name], pool))]
    validation = {}
    for name, scores in found.items():
        recall, reciprocal = aim(scores, pool)
        validation[name] = {"recall@3": recall, "mrr": reciprocal}
    return _Chosen(kind, channel, recipe, epochs, validation)


def _finish(
    pairs: Pairs,
    parts: Split,
    options: TrainingOptions,
    session: Session,
    *,
    chosen: _Chosen,
) -> tuple[Card, dict[str, NDArray[np.float32]]]:
    """Learn again from training and validation together, and measure on the test part, once."""
    some = parts.fitted()
    data = prepare_pairs(pairs, some)
    pool = pool_of(pairs.rows[parts.test])
    tested = dict(baselines(data, pairs.rows, some, pool))
    mlp = Mlp(data, pairs.rows, chosen.recipe)
    network, fitted = mlp.train("baseline, again", some, session, epochs=chosen.epochs["mlp"])
    tested["mlp"] = mlp.scores(network, pool)["mean"]
    state, shape, weights = fitted.state, Shape(width=chosen.recipe.width), np.ones(len(DIMS))
    if chosen.kind == "temporal":
        temporal = Temporal(data, pairs.rows, options.temporal, pairs.music.space)
        epochs = chosen.epochs["temporal"]
        task, _ = temporal.train("temporal model, again", some, session, epochs=epochs)
        channels = _with_fusion(temporal.scores(task, pool))
        tested |= {f"temporal, {name}": scores for name, scores in channels.items()}
        # What it is worth where a caller sends eleven numbers and no clip.
        bare = _with_fusion(temporal.scores(task, pool, bare=True))
        tested["temporal, dimensions alone"] = bare[chosen.channel]
        weights = task.weights().detach().cpu().double().numpy()
        state = {name: value.detach().cpu() for name, value in task.network.state_dict().items()}
        shape = temporal.shape
    card = _card(pairs, data, options, chosen=chosen, shape=shape, weights=weights)
    measured = {name: as_json(quality(scores, pool)) for name, scores in tested.items()}
    metrics: dict[str, Any] = {
        "data": {
            "pairs": len(pairs.rows),
            "videos": len(pairs.clips.names),
            "tracks": len(pairs.tracks),
            "sources": len(set(pairs.clips.sources)),
            "train": len(parts.train),
            "validation": len(parts.validation),
            "test": len(parts.test),
        },
        "chosen": {"model": chosen.kind, "by": chosen.channel, "epochs": chosen.epochs},
        "validation": chosen.validation,
        "test": measured,
    }
    return card.model_copy(update={"metrics": metrics}), _tensors(state, data, chosen.kind)


def _card(
    pairs: Pairs,
    data: Prepared,
    options: TrainingOptions,
    *,
    chosen: _Chosen,
    shape: Shape,
    weights: Values,
) -> Card:
    temporal = chosen.kind == "temporal"
    shares = {"mean": 1.0 if chosen.channel in {"mean", _FUSED} else 0.0}
    projects = temporal and pairs.music.space is not None
    if projects and pairs.music.space is not None:
        shares[pairs.music.space.space] = 1.0 if chosen.channel in {"projection", _FUSED} else 0.0
    return Card(
        task="recommender",
        kind="temporal" if temporal else "mlp",
        video_set=pairs.clips.feature_set,
        output_set=pairs.music.revision,
        inputs=VIDEO_DIMS,
        outputs=DIMS,
        scale_in=data.scale_in,
        scale_out=data.scale_out,
        emotions=data.emotions,
        frame_revision=pairs.clips.frame_revision if temporal and shape.frame_dim else None,
        projection=pairs.music.space if projects else None,
        weights=tuple(weights.tolist()),
        shares=shares,
        shape=shape,
        data_digest=pairs.digest,
        seed=options.seed,
        metrics={},
    )


def _tensors(state: State, data: Prepared, kind: str) -> dict[str, NDArray[np.float32]]:
    tensors = {name: value.numpy().astype(np.float32) for name, value in state.items()}
    return tensors | (data.scales if kind == "temporal" else {})


def _with_fusion(channels: Mapping[str, Values]) -> dict[str, Values]:
    both = {_FUSED: fused(channels)} if len(channels) > 1 else {}
    return {**channels, **both}


def _best_channel(channels: Mapping[str, Values], pool: Pool, seed: int) -> str:
    """The better channel, or both where that is surely better: fusion can hurt the stronger one."""
    alone = [name for name in channels if name != _FUSED]
    best = max(alone, key=lambda name: aim(channels[name], pool))
    if _FUSED in channels:
        more, at_least = gain(channels[_FUSED], channels[best], pool, seed=seed)
        if more > 0.0 and at_least >= 0.0:
            return _FUSED
    return best
