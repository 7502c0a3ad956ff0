"""Weights from the Hugging Face hub, whose own library does the talking."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from retrieval.core.errors import (
    AuthenticationError,
    HubError,
    NotFoundError,
    PreconditionError,
    SegueError,
)
from retrieval.encoders.weights_catalogue import WeightFile
from retrieval.encoders.weights_folder import Progress
from retrieval.encoders.weights_source import Remote, copy, counted

_OTHERWISE = "; try again later, or take the files from a folder with --from DIR"


class HubSource:
    """The Hugging Face hub, through ``huggingface_hub``.

    Its environment variables hold: HF_ENDPOINT, HF_HUB_OFFLINE, HF_TOKEN, HF_HOME, and those of
    proxies and timeouts. What its cache has is not downloaded again.
    """

    name = "hub"

    def __init__(self) -> None:
        """Import ``huggingface_hub``.

        Raises:
            PreconditionError: MODEL_MISSING if it is not installed.
        """
        try:
            import huggingface_hub
            from huggingface_hub import constants
            from huggingface_hub.utils import logging
        except ImportError as error:
            raise PreconditionError(
                "downloads need more packages: pip install 'segue[models]'",
                reason="MODEL_MISSING",
                metadata={"extra": "models"},
            ) from error
        # Its remarks on broken lines would mix with ours.
        logging.set_verbosity_error()
        self._hub = huggingface_hub
        # Read here, not when the library was imported.
        self._endpoint = os.environ.get("HF_ENDPOINT") or constants.ENDPOINT

    def ask(self, file: WeightFile) -> Remote:
        """What the cache knows of it, or else the hub."""
        if (cached := self._cached(file)) is not None:
            return Remote(cached.stat().st_size, file.revision)
        with self._explained(file):
            found = self._hub.get_hf_file_metadata(self._url(file))
        return Remote(found.size, found.commit_hash, found.etag)

    def fetch(self, file: WeightFile, remote: Remote, part: Path, progress: Progress) -> None:
        """Copy it from the cache, or download what is not there yet."""
        if (cached := self._cached(file)) is not None:
            copy(cached, part, file.name, progress)
            return
        while True:
            before = _size(part)
            try:
                self._download(file, remote, part, progress)
                return
            except HubError:
                # A line that keeps breaking but moves on is worth keeping.
                if _size(part) <= before:
                    raise

    def _download(self, file: WeightFile, remote: Remote, part: Path, progress: Progress) -> None:
        from huggingface_hub.file_download import http_get
        from huggingface_hub.utils import build_hf_headers

        have = _size(part)
        if remote.size is not None and have > remote.size:
            part.unlink()
            have = 0
        with self._explained(file), counted(part, "ab") as target:
            target.report = lambda done: progress(file.name, done, remote.size)
            http_get(
                self._url(file),
                target,
                resume_size=have,
                # The range of a packed body would be none of the file.
                headers={**build_hf_headers(), "Accept-Encoding": "identity"},
                expected_size=remote.size,
                tqdm_class=_NoBar,
            )

    def _url(self, file: WeightFile) -> str:
        return str(
            self._hub.hf_hub_url(
                file.repository, file.path, revision=file.revision, endpoint=self._endpoint
            )
        )

    def _cached(self, file: WeightFile) -> Path | None:
        found = self._hub.try_to_load_from_cache(file.repository, file.path, revision=file.revision)
        return Path(found) if isinstance(found, str) else None

    @contextlib.contextmanager
    def _explained(self, file: WeightFile) -> Iterator[None]:
        from huggingface_hub import errors

        where = f"{file.repository}/{file.path}"
        about = {"repository": file.repository, "path": file.path, "endpoint": self._endpoint}
        try:
            yield
        except SegueError:
            raise
        except errors.OfflineModeIsEnabled as error:
            raise HubError(
                f"{where}: HF_HUB_OFFLINE is set, and the hub's cache does not have it; "
                "unset it, or take the files from a folder with --from DIR",
                reason="HUB_OFFLINE",
                metadata=about,
            ) from error
        except errors.GatedRepoError as error:
            raise AuthenticationError(
                f"{where}: its owner asks for consent first; give it on "
                f"{self._endpoint}/{file.repository}, and set HF_TOKEN to a token of your account",
                metadata=about,
            ) from error
        except (
            errors.RepositoryNotFoundError,
            errors.RevisionNotFoundError,
            errors.RemoteEntryNotFoundError,
        ) as error:
            raise NotFoundError(
                f"{where} at {file.revision[:12]}: {self._endpoint} has no such file (any more), "
                "or shows it only to an account (HF_TOKEN); take it from a folder with --from DIR",
                reason="HUB_NOT_FOUND",
                metadata=about,
            ) from error
        except errors.HfHubHTTPError as error:
            status = error.response.status_code
            if status in (401, 403):
                raise AuthenticationError(
                    f"{where}: {self._endpoint} answered {status}; check the token in HF_TOKEN",
                    metadata=about,
                ) from error
            raise HubError(
                f"{where}: {self._endpoint} answered {status}{_OTHERWISE}", metadata=about
            ) from error
        # Lost connections, timeouts, names that do not resolve, and answers cut short.
        except (errors.HTTPError, OSError) as error:
            problem = str(error) or type(error).__name__
            raise HubError(
                f"{where}: {self._endpoint} cannot be reached ({problem}){_OTHERWISE}",
                metadata=about,
            ) from error


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


class _NoBar:
    """In place of a bar of tqdm's: progress is shown by whoever asked."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        del args, kwargs

    def __enter__(self) -> _NoBar:
        return self

    def __exit__(self, *args: object) -> None:
        del args

    def update(self, n: float | None = 1) -> None:
        """Nothing to draw."""
        del n
