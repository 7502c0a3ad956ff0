"""``segue train``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from retrieval.cli.bars import counting_stages
from retrieval.cli.state import State, global_options, pass_state

if TYPE_CHECKING:
    from indexer.learning.music import Music, MusicSource
    from indexer.learning.options import TrainingOptions, TrainingReport

F = TypeVar("F", bound=Callable[..., Any])
_HERE = "here"


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


def _shared(function: F) -> F:
    options = [
        click.option(
            "-o",
            "--output",
            required=True,
            metavar="FILE",
            type=click.Path(dir_okay=False, path_type=Path),
            help="The safetensors file to write.",
        ),
        click.option(
            "--epochs",
            type=click.IntRange(1, 10_000),
            default=60,
            show_default=True,
            help="Of the temporal model, at most.",
        ),
        click.option(
            "--width",
            type=click.IntRange(8, 1024),
            default=128,
            show_default=True,
            help="Of the temporal model; a multiple of 8.",
        ),
        click.option(
            "--layers",
            type=click.IntRange(1, 8),
            default=2,
            show_default=True,
            help="Of the temporal model.",
        ),
        click.option(
            "--seed",
            type=click.IntRange(0),
            default=0,
            show_default=True,
            help="Of the split and of the training.",
        ),
        click.option(
            "--device",
            metavar="NAME",
            help="cpu, cuda, cuda:1 or mps.  [env: SEGUE_DEVICE; default: auto]",
        ),
        click.option("--overwrite", is_flag=True, help="Replace the model that is there."),
        click.option("-q", "--quiet", is_flag=True, help="No progress, and no table."),
    ]
    for option in reversed(options):
        function = option(function)
    return function


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
@_shared
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

    name, of = _space(space)
    options = _options(
        state,
        more,
        video_set=video_set,
        output_set=_revision(revision),
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
            music=_music(state, pairs, None if of else name),
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
@_shared
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

    options = _options(state, more, output_set=video_set, model=model, trials=0)
    with counting_stages("reading", show=not (quiet or state.json)) as watch:
        from indexer.learning.video_features import train_video_features
        from retrieval.video.looking import load_frame_model

        frames = load_frame_model(state.settings())
        report = train_video_features(clips, output, options, frames=frames, watch=watch)
    _finish(report, state, quiet=quiet, show=show_features)


def _options(state: State, more: dict[str, Any], **chosen: Any) -> TrainingOptions:
    from retrieval.core.errors import InvalidInputError, PreconditionError

    try:
        from indexer.learning.options import TrainingOptions
        from indexer.learning.temporal import TemporalRecipe
    except ImportError as error:
        raise PreconditionError(
            "training needs more packages: pip install 'segue[train-video]'",
            reason="MODEL_MISSING",
            metadata={"extra": "train-video"},
        ) from error
    if more["width"] % 8:
        raise InvalidInputError("--width must be a multiple of 8")
    return TrainingOptions(
        **chosen,
        temporal=TemporalRecipe(epochs=more["epochs"], width=more["width"], layers=more["layers"]),
        seed=more["seed"],
        device=more["device"] or state.settings().device.split(",")[0],
        overwrite=more["overwrite"],
    )


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


def _revision(given: str | None) -> str | None:
    if given != _HERE:
        return given
    from retrieval.encoders.perceptual import PerceptualEncoder

    return PerceptualEncoder().space.revision


def _space(given: str | None) -> tuple[str | None, str | None]:
    if given is None:
        return None, None
    from retrieval.core.spaces import SPACE_NAME

    name, equals, revision = given.partition("=")
    if not SPACE_NAME.match(name) or bool(equals) != bool(revision):
        raise click.UsageError("--space takes NAME or NAME=REVISION, as segue spaces shows them")
    return name, revision or None


def _music(state: State, table: Path, space: str | None) -> MusicSource:
    """The library, opened once a table is found to need it."""

    def find(tracks: Sequence[tuple[str, int]]) -> Music:
        from indexer.learning.music import library_music
        from retrieval.cli.opening import open_library
        from retrieval.cli.references import resolve
        from retrieval.core.errors import InvalidInputError, NotFoundError

        with open_library(state) as library:
            ids = []
            for name, line in tracks:
                try:
                    ids.append(resolve(library, name))
                except (NotFoundError, InvalidInputError) as error:
                    raise type(error)(
                        f"{table}, line {line}, column 'track': {error.message}",
                        metadata={**error.metadata, "line": str(line)},
                    ) from None
            return library_music(library, ids, space)

    return find
