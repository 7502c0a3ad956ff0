"""Words: BM25 over what tags, folders and file names say about a track.

Term weights and hashing are Qdrant's own BM25 (k = 1.2), whose IDF half the engine adds at query
time. Choices, and why:

- No stemming and no stop words. Names are not prose: "The Who", "The The" and "Yes" must be
  found, in any language; IDF already makes a "the" that every title has weigh next to nothing.
- The multilingual tokeniser cuts Chinese, Japanese and Thai into words. It drops bare numbers, so
  these are spelt with a letter first ("1999" is the token "n1999").
- Accents are folded ("Beyoncé", "beyonce"), in Greek and Cyrillic too.
- A word with punctuation or capitals inside counts in parts and joined, so that "AC/DC" is found
  by "ac dc" and "acdc", "l'amour" by "amour", "VibeAce" by "vibe".
- Tags are about 12 words long. Length counts half as much as in prose (b = 0.5): a track is not a
  worse answer for having a comment.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

import numpy as np
from qdrant_edge import Bm25, Bm25Config, DisabledStemmer, StopwordsSet, TokenizerType

from retrieval.core.errors import InvalidInputError
from retrieval.core.payload import Payload
from retrieval.core.spaces import Distance, EmbeddingSpace, Modality, SparseVector

_K, _B, _AVG_LEN = 1.2, 0.5, 12.0
_TAGS = ("title", "artist", "album", "album_artist", "genre", "composer", "comment")
_NAMES = ("folder", "paths")
_MAX_WORDS = 64
_MAX_JOINED = 4

_NUMBER = re.compile(r"(?<![A-Za-zÀ-ӿ\d])(\d+)(?![A-Za-zÀ-ӿ\d])")
_BREAK = re.compile(r"[\W_]+")
_HUMP = re.compile(r"(?<=[a-zß-öø-ÿа-я])(?=[A-ZÀ-ÖØ-ÞА-Я])|(?<=[A-Z])(?=[A-Z][a-z])")
_TRACK_NUMBER = re.compile(r"^\d{1,3}[\s._-]+")
# What changes the tokens of this text changes the space.
_PROBE = "The Who – 東京事変, Beyoncé: 99 Ёлка l'amour AC/DC VibeAce dancing"


class LexicalEncoder:
    """The ``lexical`` space: sparse term weights of words, scored by Dot with IDF."""

    def __init__(self) -> None:
        self._model = Bm25(
            Bm25Config(
                k=_K,
                b=_B,
                avg_len=_AVG_LEN,
                tokenizer=TokenizerType.Multilingual,
                lowercase=True,
                ascii_folding=True,
                stopwords=StopwordsSet(),
                stemmer=DisabledStemmer(),
            )
        )
        self.space = EmbeddingSpace(
            name="lexical",
            dim=0,
            distance=Distance.DOT,
            revision=self._revision(),
            query_modalities=frozenset({Modality.TEXT}),
            sparse=True,
            float16=False,
        )

    def __reduce__(self) -> tuple[type[LexicalEncoder], tuple[()]]:
        return (LexicalEncoder, ())

    def prepare_text(self, text: str) -> SparseVector:
        """The words of a query, each of weight 1.

        Raises:
            InvalidInputError: If there are no words in it.
        """
        vector = _sparse(self._model.embed_query(" ".join(_words(text))))
        if len(vector) == 0:
            raise InvalidInputError(
                f"text: there is no word to search for in {text[:80]!r}",
                metadata={"field": "text"},
            )
        return vector

    def forward_text(self, batch: Sequence[SparseVector]) -> list[SparseVector]:
        """The prepared texts as they are: all the work is done."""
        return list(batch)

    def encode_words(self, payload: Payload) -> SparseVector:
        """The term weights of a track's tags and names; empty if there are no words at all.

        A value that only repeats another (album artist = artist) counts once, and folder and file
        names add only the words that the tags lack.
        """
        return self._document(list(_document_words(payload)))

    def _document(self, words: list[str]) -> SparseVector:
        return _sparse(self._model.embed_document(" ".join(words)))

    def _revision(self) -> str:
        vector = self._document(_words(_PROBE))
        digest = hashlib.blake2b(digest_size=8)
        digest.update(repr(("lexical 1", _K, _B, _AVG_LEN, _TAGS, _NAMES, _MAX_WORDS)).encode())
        digest.update(vector.indices.tobytes())
        digest.update(vector.values.tobytes())
        return f"lexical-{digest.hexdigest()}"


def _document_words(payload: Payload) -> Iterator[str]:
    seen_values: set[str] = set()
    seen_words: set[str] = set()
    for field in _TAGS:
        for value in _texts(payload, field):
            key = value.casefold().strip()
            if key in seen_values:
                continue
            seen_values.add(key)
            words = _words(value)[:_MAX_WORDS]
            seen_words.update(words)
            yield from words
    for field in _NAMES:
        for value in _texts(payload, field):
            name = _file_words(value) if field == "paths" else value
            for word in _words(_BREAK.sub(" ", name))[:_MAX_WORDS]:
                if word not in seen_words:
                    seen_words.add(word)
                    yield word


def _texts(payload: Payload, field: str) -> tuple[str, ...]:
    value = payload.get(field, ())
    values = value if isinstance(value, tuple) else (value,)
    return tuple(item for item in values if isinstance(item, str))


def _file_words(path: str) -> str:
    """The file name without its extension and its leading track number."""
    stem = PurePosixPath(path.replace("\\", "/")).stem
    return _TRACK_NUMBER.sub("", stem) or stem


def _words(text: str) -> list[str]:
    """Folded words, those with inner breaks in parts and joined."""
    decomposed = unicodedata.normalize("NFKD", text)
    # Only Latin, Greek and Cyrillic accents; the marks of Japanese kana tell sounds apart.
    bare = "".join(c for c in decomposed if not "\u0300" <= c <= "\u036f")
    words: list[str] = []
    for chunk in unicodedata.normalize("NFKC", bare).split():
        parts = [p for piece in _BREAK.split(chunk) for p in _HUMP.split(piece) if p]
        words.extend(parts)
        if 1 < len(parts) <= _MAX_JOINED:
            words.append("".join(parts))
    return [_NUMBER.sub(r" n\1 ", word).strip().lower() for word in words]


def _sparse(vector: object) -> SparseVector:
    indices = np.asarray(getattr(vector, "indices"), dtype=np.uint32)  # noqa: B009 - untyped
    values = np.asarray(getattr(vector, "values"), dtype=np.float32)  # noqa: B009 - untyped
    order = np.argsort(indices)
    return SparseVector(indices[order], values[order])
