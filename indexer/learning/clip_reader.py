"""Clips of a table: ``.npz`` files as they are, video files measured, each content once."""

from __future__ import annotations

import hashlib
import io
import threading
from pathlib import Path

import numpy as np

from indexer.features_npy import replace_file
from indexer.learning.clips import Clip, read_clip
from indexer.learning.watching import Watch, check, tell
from retrieval.core.closing import Closing
from retrieval.core.errors import InvalidInputError
from retrieval.core.video import VideoFeatures
from retrieval.video.clips import ClipDecoder
from retrieval.video.features import FEATURE_SET
from retrieval.video.frame_model import FrameModel
from retrieval.video.kept import as_arrays
from retrieval.video.looking import look

ARRAYS = ".npz"
STORE = ".clips"
"""What the folder of measured clips adds to the table's name."""
_DOING = "reading clips"


class ClipReader(Closing):
    """Reads the clips that a table names. A context manager."""

    def __init__(
        self,
        table: Path,
        *,
        frames: FrameModel | None = None,
        watch: Watch | None = None,
        stop: threading.Event | None = None,
    ) -> None:
        """Nothing is decoded yet.

        Args:
            table: Whose clips are read; measured ones are kept beside it.
            frames: Looks at the frames of video files; None leaves them alone.
            watch: Told how far the reading is.
            stop: Set it to end the reading.
        """
        self._folder = table.with_name(table.name + STORE)
        self._frames = frames
        self._watch, self._stop = watch, stop or threading.Event()
        self._decoder = ClipDecoder()

    def close(self) -> None:
        """End the process that decodes."""
        self._decoder.close()

    def tell(self, done: int, total: int) -> None:
        """Say how far the reading is.

        Raises:
            CancelledError: It is to end.
        """
        tell(self._watch, self._stop, _DOING, done, total)

    def read(self, path: Path, name: str) -> Clip:
        """One clip.

        Args:
            path: The file.
            name: What errors call it.

        Raises:
            ValueError: It is no clip; says why.
            InvalidInputError: It is no usable video.
            OSError: It cannot be read.
            CancelledError: The reading is to end.
        """
        if path.suffix.lower() == ARRAYS:
            return read_clip(path)
        kept = self._folder / f"{self._digest(path)}{ARRAYS}"
        if not kept.exists():
            features = look(
                path,
                self._decoder,
                self._frames,
                name=name,
                progress=lambda *_: check(self._stop),
            )
            self._keep(kept, features)
        return read_clip(kept)

    def _keep(self, path: Path, features: VideoFeatures) -> None:
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, **as_arrays(features))
        try:
            self._folder.mkdir(exist_ok=True)
            replace_file(path, buffer.getvalue())
        except OSError as error:
            raise InvalidInputError(f"{path}: cannot be written: {error.strerror}") from error

    def _digest(self, path: Path) -> str:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16))
        looked = None if self._frames is None else self._frames.revision
        found.update(repr((FEATURE_SET, looked)).encode())
        return found.hexdigest()
