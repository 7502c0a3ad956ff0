"""File names for what is made of tracks and files: like theirs, safe, and no two alike."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from unicodedata import category, normalize

from indexer.scan import FoundFile
from retrieval.core.tracks import Track

MAX_PART = 240
"""Bytes of a part of a name; with what is added to it, within what file systems take."""


def plain_name(track: Track) -> str:
    """The relative name, without extension, of a track's first file below its indexed root.

    A track without a file is called by its title, or else by its id. Every part is a plain name: no
    "..", no hidden file, no control character; what a library says never leads out of a folder.
    """
    if not track.paths:
        title = track.payload.get("title", "")
        parts = _folders(track)
        return "/".join([*map(_part, parts), _part(str(title) or track.id)])
    path = PurePosixPath(track.paths[0])
    depth = len(_folders(track))
    folders = path.parent.parts[-depth:] if depth else ()
    return "/".join(_part(part) for part in (*folders, path.stem))


def file_names(plain: Mapping[str, str]) -> dict[str, str]:
    """A name of its own for each track.

    Names that are equal, also on a file system that minds neither case nor the spelling of accents,
    get the beginning of the track's id, all of them, so that none depends on the order.

    Args:
        plain: Name by track id.

    Returns:
        Name by track id, unchanged where nothing is like it.
    """
    counts = Counter(_folded(name) for name in plain.values())
    names = {i: name for i, name in plain.items() if counts[_folded(name)] == 1}
    taken = {_folded(name) for name in names.values()}
    for track_id, name in plain.items():
        if track_id in names:
            continue
        wanted = f"{name}~{track_id[:8]}"
        if _folded(wanted) in taken:
            wanted = f"{name}~{track_id}"
        while _folded(wanted) in taken:
            wanted += "~"
        taken.add(_folded(wanted))
        names[track_id] = wanted
    return names


def source_names(files: Mapping[str, FoundFile]) -> dict[str, str]:
    """The relative name of what is made of each file: its own, below its root, no extension.

    Files whose names are then alike get the beginning of a digest of their path.
    """
    plain: dict[str, str] = {}
    by_id: dict[str, str] = {}
    for path, file in files.items():
        key = hashlib.blake2b(path.encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()
        by_id[key] = path
        plain[key] = str(Path(path).relative_to(file.root).with_suffix(""))
    return {by_id[key]: name for key, name in file_names(plain).items()}


def _folders(track: Track) -> list[str]:
    """The folders below the indexed root, as the payload has them."""
    folder = track.payload.get("folder", "")
    return [part for part in folder.split("/") if part] if isinstance(folder, str) else []


def _part(text: str) -> str:
    # As little as can be: the names are to be those of the sound files.
    kept = "".join("_" if c == "/" or category(c) in {"Cc", "Cs"} else c for c in text)
    kept = kept.encode()[:MAX_PART].decode("utf-8", "ignore")
    if kept.startswith("."):
        kept = f"_{kept[1:]}"
    return kept or "_"


def _folded(name: str) -> str:
    return normalize("NFC", normalize("NFC", name).casefold())
