"""A folder of rendered pieces, kept between runs."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

from indexer.synth.catalogue import Piece
from indexer.synth.files import encode, tag
from indexer.synth.mixing import render

_MARK = ".rendered"


def render_piece(piece: Piece) -> bytes:
    """The tagged file of a piece."""
    sound = piece.gain * render(piece.score, piece.sample_rate, piece.seed)
    return tag(encode(sound, piece.sample_rate, piece.format), piece.format, piece.tags)


def render_library(
    folder: Path,
    pieces: Sequence[Piece],
    *,
    workers: int | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[Path, ...]:
    """Write the pieces' files, unless an earlier run of the same code already has.

    Args:
        folder: Where; made if need be. What earlier code rendered there goes; other files stay.
        pieces: What to render; each has its own path below the folder.
        workers: Processes; one per core, at most eight, if not given.
        progress: Called with the number of files there are and the number wanted.

    Returns:
        The files' paths, in the order of the pieces.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = tuple(folder / piece.path for piece in pieces)
    mark = folder / _MARK
    lines = [_version(pieces), *(piece.path for piece in pieces)]
    kept = mark.read_text().splitlines() if mark.is_file() else []
    if kept != lines:
        for name in {*kept[1:], *lines[1:]}:
            (folder / name).unlink(missing_ok=True)
        mark.write_text("\n".join(lines))
    todo = [(p, path) for p, path in zip(pieces, paths, strict=True) if not path.is_file()]
    count = workers or max(1, min(8, os.cpu_count() or 1, len(todo)))
    progress(len(pieces) - len(todo), len(pieces))
    if todo:
        # Spawned, not forked: the caller may have threads.
        with ProcessPoolExecutor(count, mp_context=get_context("spawn")) as pool:
            running = [pool.submit(_write, piece, path) for piece, path in todo]
            for done, future in enumerate(as_completed(running), len(pieces) - len(todo) + 1):
                future.result()
                progress(done, len(pieces))
    return paths


def _write(piece: Piece, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_bytes(render_piece(piece))
    part.replace(path)


def _version(pieces: Sequence[Piece]) -> str:
    """A digest of the notes and of the synthesiser itself: whatever could change a sample."""
    digest = hashlib.sha256(repr(pieces).encode())
    for module in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(module.read_bytes())
    return digest.hexdigest()
