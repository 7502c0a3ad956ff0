"""``segue score``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from retrieval.cli import asking, matching
from retrieval.cli.state import State, global_options, pass_state

if TYPE_CHECKING:
    from retrieval.core.video import VideoFeatures

_PATIENCE = 2 * 3600.0


@click.command("score")
@click.argument(
    "clip",
    required=False,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="[CLIP]",
)
@matching.prediction_option(required=False)
@click.option(
    "--features",
    metavar="VALUES",
    help="Eleven video features instead of a clip, or a JSON object of those that are known.",
)
@click.option(
    "--feature-set",
    default="",
    metavar="NAME",
    help="Which feature set --features are of; those of the recommender unless given.",
)
@matching.comparison_options(scaling="standardised")
@click.option(
    "--series",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE.npz",
    help="Keep what was measured second by second, as segue train reads it.",
)
@click.option(
    "--cues",
    type=click.IntRange(0, 200),
    metavar="N",
    default=50,
    show_default=True,
    help="Fit so many of the nearest tracks to the cuts of CLIP; how well they fit counts in the"
    " order.",
)
@click.option("--no-fit", is_flag=True, help="Order by distance alone, without in-points.")
@click.option("--longer", is_flag=True, help="Only tracks that are as long as CLIP, or longer.")
@click.option(
    "--render",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write CLIP with a hit as its sound, from the in-point on: mp4, mov or webm.",
)
@click.option(
    "--hit",
    type=click.IntRange(1),
    metavar="N",
    default=1,
    show_default=True,
    help="The hit, of those shown, that --render takes.",
)
@click.option("--force", is_flag=True, help="Replace FILE if it is there.")
@asking.answer_options_with(limit=5)
@global_options()
@pass_state
def command(
    state: State,
    *,
    clip: Path | None,
    predicted: str | None,
    features: str | None,
    feature_set: str,
    metric: str,
    dims: str | None,
    weights: str | None,
    scaling: str,
    series: Path | None,
    cues: int,
    no_fit: bool,
    longer: bool,
    render: Path | None,
    hit: int,
    force: bool,
    spaces: tuple[str, ...],
    filter_text: str | None,
    limit: int,
    offset: int,
    segments: int,
    fusion_name: str,
    min_fit: float | None,
) -> None:
    r"""Find music for a picture.

    CLIP is an MP4, MOV or WebM. Its cutting, motion, energy, light and colour are measured here, a
    recommender predicts ten perceptual dimensions from them, and the tracks nearest to these are
    shown. Without a trained recommender (segue train recommender, SEGUE_VIDEO_RECOMMENDER) a plain
    mapping predicts: faster cutting asks for faster rhythm, a darker picture for less brightness,
    more motion for more arousal. The answer says which it was.

    A track whose beats are known (segue index --describe) has an in-point: laid under the clip from
    there, its beats meet the cuts best, and its loudness follows the motion. --render does so, with
    music that is too short over again from bar to bar; the picture is copied as it is, without its
    own sound.

    \b
    Examples:
      segue score clip.mp4
      segue score clip.mp4 --filter 'duration >= 45 and bpm < 120' -k 20
      segue score clip.mp4 --longer --render out.mp4 --hit 2
      segue score clip.mp4 --dims VA --weights arousal=2 --json
      segue score --features '{"narrative_pace": 70, "visual_arousal": 60}'
      segue score --pred "-5.5,-3.6,-8.5,-0.1,-1.6,20.8,52,77.3,42.2,-13.7" --metric cosine

    Distances are below; the smaller, the nearer. How well a track meets the cuts counts in the
    order too (--no-fit leaves it out). The global options may stand here too; see
    segue --help.
    """
    from retrieval.cli.opening import open_library
    from retrieval.cli.output import note, print_json
    from retrieval.cli.score_render import as_long, render_hit, told_of
    from retrieval.cli.score_report import print_score, score_json, write_series
    from retrieval.core.queries import SearchRequest, WeightedQuery

    if sum(one is not None for one in (clip, predicted, features)) != 1:
        raise click.UsageError("give one of CLIP, --pred and --features")
    if series is not None and clip is None:
        raise click.UsageError("--series goes with a CLIP")
    if clip is None and (longer or render is not None):
        raise click.UsageError("--longer and --render go with a CLIP")
    if render is not None and clip is not None:
        if hit > limit:
            raise click.UsageError(f"--hit {hit} of {limit} hits; give a larger -k")
        from retrieval.video.rendering import check_target

        check_target(render, clip, force=force)
    condition = asking.read_filter(filter_text)
    names, space_weights = asking.read_spaces(spaces)
    known = None if features is None else matching.read_eleven(features, feature_set)
    ten = None if predicted is None else matching.read_ten(predicted)
    with open_library(state) as library:
        if clip is not None:
            known = _measured(clip, state)
            if series is not None:
                write_series(series, known)
        query = matching.video_query(
            predicted=ten,
            features=known,
            metric=metric,
            scaling=scaling,
            weights=asking.read_weights(weights),
            dims=dims,
            cues=0 if no_fit else cues,
        )
        if longer and known is not None:
            condition = as_long(condition, known)
        response = library.search(
            SearchRequest(
                queries=(WeightedQuery(query, spaces=names, space_weights=space_weights),),
                filter=condition,
                limit=limit,
                offset=offset,
                segments=segments,
                fusion=asking.read_fusion(fusion_name),
                min_fit=min_fit,
            )
        )
    written = None
    if render is not None and clip is not None:
        written = render_hit(response, hit, clip, render, force=force)
    if state.json:
        print_json(score_json(response) | ({"rendered": written} if written else {}))
        return
    print_score(response, first=offset + 1)
    if written is not None:
        note(f"{written}: {told_of(response, hit)}")


def _measured(clip: Path, state: State) -> VideoFeatures:
    from retrieval.cli.bars import counting
    from retrieval.video.clips import ClipDecoder
    from retrieval.video.looking import load_frame_model, look

    with (
        ClipDecoder(timeout=_PATIENCE) as decoder,
        counting("watching", show=not state.json) as tell,
    ):

        def progress(seconds: float, promised: float | None) -> None:
            if tell is not None:
                tell(round(seconds), round(promised or 0.0))

        return look(clip, decoder, load_frame_model(state.settings()), progress=progress)
