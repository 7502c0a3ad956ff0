"""Scores in the public domain that music21 brings: which may be learnt from, and in which split.

A file is used if its folder is in ``FOLDERS``, whose composers died long ago, and if nothing in the
file or beside it claims rights in the encoding. Files are read where music21 is installed; nothing
of them is kept but what was heard of a rendering.
"""

from __future__ import annotations

import importlib.util
import re
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from pathlib import Path

from retrieval.encoders.ear_tokens import split as words

FOLDERS: Mapping[str, str] = {
    "airdsAirs": "Scottish and other airs, printed 1782 to 1803; encoded by Jack Campin",
    "bach": "J. S. Bach, died 1750; most chorales claim rights and are refused",
    "beethoven": "died 1827; string quartets, no claim in the files",
    "handel": "died 1759; an aria, no claim in the file",
    "haydn": "died 1809; string quartets, no claim in the files",
    "joplin": "died 1917; a rag, no claim in the file",
    "monteverdi": "died 1643; madrigals, those that a publisher claims are refused",
    "mozart": "died 1791; string quartets and a sonata, no claim in the files",
    "oneills1850": "Irish tunes, printed 1903 by F. O'Neill, died 1936; encoded by volunteers",
    "ryansMammoth": "fiddle tunes, printed 1883; encoded by volunteers",
    "schumann_robert": "died 1856; a quartet and songs, no claim in the files",
    "verdi": "died 1901; an aria, no claim in the file",
}
"""Folders of music21's corpus that may be used, and why.

Not among them: Essen's folk songs (not for commerce), Palestrina (rights reserved), Josquin (GPL),
the Nottingham tunes (of unclear origin), the trecento (after an edition of the twentieth century),
Schönberg and Webern (not free everywhere), lead sheets and demos.
"""

TUNES = frozenset({"airdsAirs", "oneills1850", "ryansMammoth"})
"""Folders of tunes without accompaniment."""
QUARTETS = frozenset({"beethoven", "haydn", "mozart", "schumann_robert"})
"""Folders of string quartets, mostly."""

_ENDINGS = {".abc", ".mxl", ".musicxml", ".xml"}
_CLAIM = re.compile(
    r"copyright|©|licen[sc]e|rights\s+reserved|permission|non-?\s?commercial|<rights>",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"^X:\s*(\d+)", re.MULTILINE)
_TITLE = re.compile(r"^T:\s*(.*)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Piece:
    """A score of the corpus.

    Attributes:
        folder: One of ``FOLDERS``.
        file: Path in the corpus.
        number: Of the tune in a file of several; None for a file of one.
        work: What must stay in one split: a work of several movements, or all tunes of a title.
    """

    folder: str
    file: str
    number: int | None
    work: str

    @property
    def split(self) -> str:
        """``"train"`` for eight works in ten, ``"valid"`` and ``"test"`` for one each."""
        place = int.from_bytes(blake2b(self.work.encode(), digest_size=4).digest()) % 10
        return {0: "test", 1: "valid"}.get(place, "train")


def installed() -> bool:
    """Whether music21 is, with its corpus."""
    return importlib.util.find_spec("music21") is not None and corpus().is_dir()


def corpus() -> Path:
    """Where music21's corpus lies."""
    spec = importlib.util.find_spec("music21")
    if spec is None or spec.origin is None:
        raise FileNotFoundError("music21 is not installed: pip install 'segue[train]'")
    return Path(spec.origin).parent / "corpus"


@cache
def pieces(split: str) -> tuple[Piece, ...]:
    """Every piece of a split that may be used, in order of its name."""
    return tuple(piece for piece in _pieces() if piece.split == split)


def _pieces() -> Iterator[Piece]:
    root = corpus()
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*")):
            if path.suffix not in _ENDINGS or (text := claimless(path)) is None:
                continue
            file = path.relative_to(root).as_posix()
            if path.suffix == ".abc":
                yield from _tunes(folder, file, text)
            else:
                # Variants of a chorale are named bwv… with a letter or more behind.
                work = re.sub(r"(-[a-z]+|_old)$", "", file.split("/")[1].removesuffix(path.suffix))
                yield Piece(folder, file, None, f"{folder}/{work}")


def _tunes(folder: str, file: str, text: str) -> Iterator[Piece]:
    for tune in re.split(r"(?m)^(?=X:)", text)[1:]:
        number, title = _NUMBER.search(tune), _TITLE.search(tune)
        if number and title:
            # Collections share tunes: "The Rose Tree", "ROSE TREE -- REEL", "Rose Tree, The".
            name = {word for word in words(title[1]) if word not in _FORMS}
            yield Piece(folder, file, int(number[1]), " ".join(sorted(name)))


_FORMS = frozenset({"the", "a", "reel", "jig", "hornpipe", "strathspey", "clog", "march", "waltz"})


def claimless(path: Path) -> str | None:
    """The text of a score; None if it claims rights, or cannot be read as text.

    Args:
        path: A file of MusicXML, plain or zipped, or of ABC.
    """
    if path.suffix == ".mxl":
        with zipfile.ZipFile(path) as packed:
            inside = [name for name in packed.namelist() if not name.startswith("META-INF")]
            raw = b"\n".join(packed.read(name) for name in inside)
    else:
        raw = path.read_bytes()
    text = raw.decode("utf-8", errors="replace")
    return None if _CLAIM.search(text) else text
