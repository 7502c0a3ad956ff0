"""``segue train``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from retrieval.cli.bars import counting_stages
from retrieval.cli.state import State, global_options, pass_state
from retrieval.cli.train_options import (
    chosen_options,
    library_source,
    read_revision,
    read_space,
    training_options,
)

if TYPE_CHECKING:
    from indexer.learning.options import TrainingReport


@click.group("train", no_args_is_help=True)
@global_options(address=False)
def command() -> None:
    r"""Train models for pictures on pairs of your own.

    What is trained is a safetensors file with its scales, the order of its dimensions, its feature
    sets, a digest of the data and all measured figures. Ctrl-C stops a run, and the same command
    goes on with it. The same data, options and seed give the same file on a CPU.

    \b
    Examples:
      segue train recommender pairs.csv -o music.safetensors --video-set acme-1 --revision here
      segue train video-features clips.csv -o eyes.safetensors --video-set acme-1
    """


@command.command("recommender", short_help="From a clip to the music for it.")
@click.argument(
    "pairs", metavar="PAIRS.csv", type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@click.option(
    "--video-set",
    metavar="NAME",
    help="Feature set of the table's dimensions of pictures; clips of another set are refused.  "
    "[default: what Segue measures, if the table has none]",
)
@click.option(
    "--revision",
    metavar="REVISION",
    help="Revision of the space that the table's ten dimensions of music are from, as segue spaces "
    "shows it; \"here\" for this version's own perceptual space.  [default: the library's, if the "
    "table has none]",
)
@click.option(
    "--space",
    metavar="NAME[=REVISION]",
    help="Space to project into: of the library, or, with its revision, of the column "
    '"embedding"; files of segue export need neither.',
)
@click.option(
    "--model",
    type=click.Choice(["auto", "mlp", "temporal"]),
    default="auto",
    show_default=True,
    help="Let validation choose, or say which.",
)
@click.option(
    "--trials",
    type=click.IntRange(0, 10_000),
    default=12,
    show_default=True,
    help="Recipes of the baseline to try; 0 takes the usual one.",
)
@training_options
@global_options(address=False)
@pass_state
def recommender(
    state: State,
    /,
    *,
    pairs: Path,
    output: Path,
    video_set: str | None,
    revision: str | None,
    space: str | None,
    model: str,
    trials: int,
    quiet: bool,
    **more: Any,
) -> None:
    r"""Train a recommender on pairs of a clip and the music that was chosen for it.

    PAIRS.csv has a header and a row per pair: "video" and "track" (names), "source" (the film,
    series or account a clip is from), the eleven dimensions of the picture (character_tension …
    visual_valence, or 人物张力 … 画面效价; blank where not known), and the ten of the music
    (richness … valence). Without these ten, "track" is an id, path or title of the library, which
    knows them. More columns are optional: "emotion" (a label; by default the quadrant of arousal
    and valence), "clip" (a video file, which is measured once, or a .npz file: "series" (seconds,
    5), "frames" (seconds, D) with the text "frame_model"), "embedding" (a .npy file of segue
    export, of a space of text and sound) and "split" (train, validation or test).

    Two models compete for recall@3 on validation clips: the multilayer perceptron on the eleven
    dimensions, its recipe tuned, and a transformer over the clip's seconds, which also projects
    into the space of the embeddings. No track and no source is in two parts. The better one is
    trained again on all but the test part, and measured there once, in both directions, beside
    popularity, the mean vector and ridge regression.

    \b
    Examples:
      segue train recommender pairs.csv -o music.safetensors --video-set acme-1 --revision here
      segue train recommender clips.csv -o music.safetensors --library films --space clap
      segue train recommender pairs.csv -o m.safetensors --video-set acme-1 --revision here \
          --trials 50 --json
    """
    from retrieval.cli.training import show_recommender

    name, of = read_space(space)
    options = chosen_options(
        state,
        more,
        video_set=video_set,
        output_set=read_revision(revision),
        model=model,
        trials=trials,
    )
    with counting_stages("reading", show=not (quiet or state.json)) as watch:
        from indexer.learning.recommender import train_recommender
        from retrieval.video.looking import load_frame_model

        report = train_recommender(
            pairs,
            output,
            options,
            space=(name, of) if name and of else None,
            music=library_source(state, pairs, None if of else name),
            frames=load_frame_model(state.settings()),
            watch=watch,
        )
    _finish(report, state, quiet=quiet, show=show_recommender)


@command.command("video-features", short_help="From a clip to its eleven dimensions.")
@click.argument(
    "clips", metavar="CLIPS.csv", type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@click.option(
    "--video-set",
    required=True,
    metavar="NAME",
    help="What to call the feature set that the labels define; recommenders are trained on it.",
)
@click.option(
    "--model",
    type=click.Choice(["auto", "ridge", "temporal"]),
    default="auto",
    show_default=True,
    help="Let validation choose, or say which; below 500 clips auto is ridge.",
)
@training_options
@global_options(address=False)
@pass_state
def video_features(
    state: State,
    /,
    *,
    clips: Path,
    output: Path,
    video_set: str,
    model: str,
    quiet: bool,
    **more: Any,
) -> None:
    r"""Train a model that tells what a clip is like, on clips that people have judged.

    CLIPS.csv has a header and a row per clip: "video" (a name), "clip" (a video file, or a .npz
    file as for segue train recommender; also "values", what Segue measured of the eleven
    dimensions), and any of the eleven dimensions as labels, blank where there is none. "source"
    and "split" are optional.

    Ridge regression on means, deviations and pace of what the file holds; from 500 clips on also a
    transformer over the clip's seconds, if validation finds it better. R² of every dimension is
    measured once, on sources that training has not seen.

    \b
    Example:
      segue train video-features clips.csv -o eyes.safetensors --video-set acme-1
    """
    from retrieval.cli.training import show_features

    options = chosen_options(state, more, output_set=video_set, model=model, trials=0)
    with counting_stages("reading", show=not (quiet or state.json)) as watch:
        from indexer.learning.video_features import train_video_features
        from retrieval.video.looking import load_frame_model

        frames = load_frame_model(state.settings())
        report = train_video_features(clips, output, options, frames=frames, watch=watch)
    _finish(report, state, quiet=quiet, show=show_features)


def _finish(
    report: TrainingReport,
    state: State,
    *,
    quiet: bool,
    show: Callable[[TrainingReport], None],
) -> None:
    from retrieval.cli.output import print_json

    if state.json:
        print_json(report.as_dict())
    elif not quiet:
        show(report)
