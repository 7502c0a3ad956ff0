"""``segue similar``."""

from __future__ import annotations

import click

from retrieval.cli import asking
from retrieval.cli.state import State, global_options, pass_state


@click.command("similar")
@click.argument("tracks", nargs=-1, required=True, metavar="TRACK...")
@click.option(
    "--not", "negative", multiple=True, metavar="TRACK", help="Unlike this one; repeat for more."
)
@asking.answer_options
@global_options()
@pass_state
def command(
    state: State,
    *,
    tracks: tuple[str, ...],
    negative: tuple[str, ...],
    spaces: tuple[str, ...],
    filter_text: str | None,
    limit: int,
    offset: int,
    segments: int,
    fusion_name: str,
    min_fit: float | None,
) -> None:
    r"""More like these tracks of the library, and unlike those after --not.

    A TRACK is an id, the path of an indexed file, or an exact title. The examples themselves are
    left out of the answer. For a file that is not in the library: segue search --audio FILE.

    \b
    Examples:
      segue similar ~/Music/a.flac
      segue similar "Blue in Green" "So What" --not ~/Music/noise.mp3
      segue similar ID --filter 'bpm ~ 118..124 and key mixes with "8A"' -k 20 --json

    The global options may stand here too; see segue --help.
    """
    from retrieval.cli.opening import open_library
    from retrieval.cli.references import resolve
    from retrieval.core.queries import RecommendRequest

    condition = asking.read_filter(filter_text)
    names, space_weights = asking.read_spaces(spaces)
    with open_library(state) as library:
        request = RecommendRequest(
            positive=tuple(resolve(library, track) for track in tracks),
            negative=tuple(resolve(library, track) for track in negative),
            spaces=names,
            space_weights=space_weights,
            filter=condition,
            limit=limit,
            offset=offset,
            segments=segments,
            fusion=asking.read_fusion(fusion_name),
            min_fit=min_fit,
        )
        response = library.recommend(request)
    asking.show(response, as_json=state.json, first=offset + 1)
