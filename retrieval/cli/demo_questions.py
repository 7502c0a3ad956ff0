"""The five questions of ``segue demo``, and what makes an answer right.

Each answer is judged by the truth of the pieces, which we know because we wrote them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from indexer.synth.catalogue import Piece
from indexer.synth.files import encode
from indexer.synth.mixing import render
from retrieval.cli.output import title_of
from retrieval.core.filters import Equals
from retrieval.core.queries import (
    AudioQuery,
    Query,
    SearchRequest,
    SearchResponse,
    TextQuery,
    TrackQuery,
    VectorQuery,
    WeightedQuery,
)

if TYPE_CHECKING:
    from retrieval.core.library import LibraryReader

SHOWN = 5
"""Hits per question."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One question and what came back.

    Attributes:
        kind: ``"text"``, ``"meaning"``, ``"track"``, ``"audio"`` or ``"vector"``.
        question: In words.
        wanted: What makes a hit right, in words.
        pieces: What each hit really is, in the order of the hits; None if it is not ours.
        right: Per hit that counts, whether it is right; hits further down do not count.
        response: The service's answer.
    """

    kind: str
    question: str
    wanted: str
    pieces: tuple[Piece | None, ...]
    right: tuple[bool, ...]
    response: SearchResponse

    @property
    def correct(self) -> bool:
        """Whether there were enough hits, and all that count are right."""
        return all(self.right) and len(self.right) > 0


def ask_all(library: LibraryReader, pieces: Sequence[Piece]) -> tuple[Answer, ...]:
    """Put the five questions to a library that holds these pieces."""
    by_title = {piece.tags.title: piece for piece in pieces}
    return tuple(ask(library, by_title) for ask in (_text, _meaning, _track, _audio, _vector))


def _text(library: LibraryReader, pieces: dict[str, Piece]) -> Answer:
    words = "slow solo piano"
    response = _search(library, TextQuery(words), space="lexical")
    return _judge(
        "text",
        f"“{words}” in tags and file names",
        wanted="the four piano pieces before all others",
        response=response,
        pieces=pieces,
        right=lambda piece: piece.truth.instruments == ("piano",),
        count=4,
    )


def _meaning(library: LibraryReader, pieces: dict[str, Piece]) -> Answer:
    words = "drums"
    response = _search(library, TextQuery(words), space="ear")
    return _judge(
        "meaning",
        f"“{words}” in the sound itself, whatever the tags say",
        wanted="four pieces with drums before all others",
        response=response,
        pieces=pieces,
        right=lambda piece: piece.truth.drums,
        count=4,
    )


def _track(library: LibraryReader, pieces: dict[str, Piece]) -> Answer:
    example = pieces["Under Sodium Light"]
    track_id = _find(library, example)
    # By sound alone: by its words, the rest of its album would come first anyway.
    response = _search(library, TrackQuery(track_id), space="perceptual")
    return _judge(
        "track",
        f"more that sounds like {_named(example)}",
        wanted="the other three for synth bass and drums before all others",
        response=response,
        pieces=pieces,
        right=lambda piece: piece.truth.drums and piece.truth.instruments == ("synth bass",),
        count=3,
    )


def _audio(library: LibraryReader, pieces: dict[str, Piece]) -> Answer:
    source = pieces["Gasoline Choir"]
    sound = render(source.score, source.sample_rate, source.seed)
    data = encode(0.5 * sound, source.sample_rate, "mp3")
    response = _search(library, AudioQuery(data))
    return _judge(
        "audio",
        f"a sound file: {_named(source)} from {source.format.upper()} to MP3, at another loudness",
        wanted="its source first",
        response=response,
        pieces=pieces,
        right=lambda piece: piece is source,
        count=1,
    )


def _vector(library: LibraryReader, pieces: dict[str, Piece]) -> Answer:
    source = pieces["Paper Boat"]
    dims = next(s.space.dims for s in library.spaces() if s.space.name == "perceptual")
    payload = library.get_track(_find(library, source)).payload
    values = tuple(float(str(payload[dim])) for dim in dims)
    response = _search(library, VectorQuery(values, space="perceptual"))
    return _judge(
        "vector",
        "ten numbers: " + ", ".join(f"{value:g}" for value in values),
        wanted=f"the piece they describe, {_named(source)}, first",
        response=response,
        pieces=pieces,
        right=lambda piece: piece is source,
        count=1,
    )


def _search(library: LibraryReader, query: Query, space: str | None = None) -> SearchResponse:
    asked = WeightedQuery(query, spaces=(space,) if space else ())
    return library.search(SearchRequest((asked,), limit=SHOWN))


def _find(library: LibraryReader, piece: Piece) -> str:
    (track,) = library.list_tracks(Equals("title", piece.tags.title)).tracks
    return track.id


def _named(piece: Piece) -> str:
    return f"“{piece.tags.title}”"


def _judge(
    kind: str,
    question: str,
    *,
    wanted: str,
    response: SearchResponse,
    pieces: dict[str, Piece],
    right: Callable[[Piece], bool],
    count: int,
) -> Answer:
    found = tuple(pieces.get(title_of(hit.track)) for hit in response.hits)
    # A hit that is missing is wrong.
    judged = [piece is not None and right(piece) for piece in found[:count]]
    judged += [False] * (count - len(judged))
    return Answer(kind, question, wanted, found, tuple(judged), response)
