"""``segue search``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from retrieval.cli import asking
from retrieval.cli.state import State, global_options, pass_state

if TYPE_CHECKING:
    from retrieval.core.library import Library
    from retrieval.core.queries import Query, WeightedQuery


@click.command("search")
@click.argument("text", nargs=-1)
@click.option(
    "--audio",
    "audio",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="A sound file (WAV, FLAC, MP3, OGG/Opus, M4A/AAC, AIFF).",
)
@click.option(
    "--track",
    "tracks",
    multiple=True,
    metavar="TRACK[@START-END]",
    help="A track of the library by id, path or title, or one moment of it (@1:20-1:35).",
)
@click.option(
    "--vector",
    "vectors",
    multiple=True,
    metavar="JSON|FILE",
    help="A vector: '[…]', '{\"warmth\": 2, …}', or a file that holds one.",
)
@click.option("--weights", metavar="NAME=N,…", help="Weights of the vector's dimensions.")
@click.option("--dims", metavar="NAME,…|VA", help="Compare only these dimensions of the vector.")
@click.option(
    "--scaling",
    type=click.Choice(["standardised", "raw"]),
    default="standardised",
    show_default=True,
    help="Units of the vector's distance.",
)
@click.option(
    "--weight",
    "shares",
    multiple=True,
    metavar="KIND=N",
    help="Share of text, audio, track or vector when several are combined.",
)
@asking.answer_options
@global_options()
@pass_state
def command(
    state: State,
    *,
    text: tuple[str, ...],
    audio: tuple[Path, ...],
    tracks: tuple[str, ...],
    vectors: tuple[str, ...],
    weights: str | None,
    dims: str | None,
    scaling: str,
    shares: tuple[str, ...],
    spaces: tuple[str, ...],
    filter_text: str | None,
    limit: int,
    offset: int,
    segments: int,
    fusion_name: str,
    min_fit: float | None,
) -> None:
    r"""Find tracks from words, sound, a track, a vector, or several of these at once.

    Several queries are fused into one ranking. Scores are the space's own (cosine, BM25, or minus
    the distance) for one ranking, fused ones for several. A hit is weak if it is only the nearest
    that there is, and probably not what was asked for.

    \b
    Examples:
      segue search "calm piano"
      segue search --audio hum.wav -k 5
      segue search --track ~/Music/a.flac@1:20-1:35 --segments 1
      segue search "live" --track ID --weight text=2 --filter 'year in 1970..1979'
      segue search --vector '[…ten numbers…]' --dims VA --scaling raw
      segue search --vector ten.json --weights arousal=3,valence=0.5
      segue search --audio loop.mp3 --space perceptual --json
      segue search "calm piano" --space clap=2 --space lexical
      segue search "whale song" --min-fit 0.5

    \b
    Filters:
      bpm >= 90 and genre in ("rock", "folk")    duration in 60..180
      not comment ~ "live"                       exists composer or year != 1999
      bpm ~ 118..124   (half and double, too)    bpm ~ 120   (4 % around it)
      key = "Bb minor"   (or "A#m", or "3A")     key mixes with "8A"
      progressions ~ "I V vi IV"   (any key)     key relative of "Am"

    The global options (--data, --library, --qdrant, --address, --json, -v) may stand here too; see
    segue --help.
    """
    from retrieval.cli.opening import open_library
    from retrieval.cli.output import note
    from retrieval.core.queries import SearchRequest

    if not (text or audio or tracks or vectors):
        raise click.UsageError("nothing to search for: give TEXT, --audio, --track or --vector")
    if (weights or dims or scaling != "standardised") and not vectors:
        raise click.UsageError("--weights, --dims and --scaling go with --vector")
    condition = asking.read_filter(filter_text)
    names, space_weights = asking.read_spaces(spaces)
    parsed = [asking.read_vector(one) for one in vectors]
    with open_library(state) as library:
        named: list[tuple[str, Query]] = [
            *_plain(library, " ".join(text), audio, tracks),
            *_vectors(library, parsed, names, weights=weights, dims=dims, scaling=scaling),
        ]
        request = SearchRequest(
            queries=tuple(_weighted(library, named, shares, names, space_weights)),
            filter=condition,
            limit=limit,
            offset=offset,
            segments=segments,
            fusion=asking.read_fusion(fusion_name),
            min_fit=min_fit,
        )
        response = library.search(request)
        deaf = bool(text) and not names and asking.is_deaf(library.info())
    asking.show(response, as_json=state.json, first=offset + 1)
    if deaf:
        note(
            "this library knows the words of tags and file names only; to have words find sounds, "
            "index it again (segue index FOLDER): only what is new is encoded"
        )


def _plain(
    library: Library, text: str, audio: tuple[Path, ...], tracks: tuple[str, ...]
) -> list[tuple[str, Query]]:
    from retrieval.cli.references import resolve, split_moment
    from retrieval.core.queries import SegmentQuery, TextQuery, TrackQuery

    queries: list[tuple[str, Query]] = [("text", TextQuery(text))] if text else []
    queries += [("audio", asking.read_audio(path)) for path in audio]
    for reference in tracks:
        track, span = split_moment(reference)
        track_id = resolve(library, track)
        queries.append(
            ("track", TrackQuery(track_id) if span is None else SegmentQuery(track_id, span))
        )
    return queries


def _vectors(
    library: Library,
    vectors: list[list[float] | dict[str, float]],
    spaces: tuple[str, ...],
    *,
    weights: str | None,
    dims: str | None,
    scaling: str,
) -> list[tuple[str, Query]]:
    queries: list[tuple[str, Query]] = []
    for vector in vectors:
        values = (
            asking.in_order(vector, library.info(), spaces) if isinstance(vector, dict) else vector
        )
        query = asking.vector_query(values, scaling=scaling, weights=weights, dims=dims)
        queries.append(("vector", query))
    return queries


def _weighted(
    library: Library,
    named: list[tuple[str, Query]],
    shares: tuple[str, ...],
    spaces: tuple[str, ...],
    space_weights: dict[str, float],
) -> list[WeightedQuery]:
    from retrieval.core.queries import WeightedQuery

    share = asking.read_shares(shares, list(dict.fromkeys(kind for kind, _ in named)))
    queries = [
        WeightedQuery(query, share.get(kind, 1.0), spaces, space_weights) for kind, query in named
    ]
    if spaces and len(queries) > 1:
        return asking.spread_spaces(queries, spaces, library.info())
    return queries
