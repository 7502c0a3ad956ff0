"""A hub on this machine: the part of its protocol that a download needs, and its bad days."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType

from retrieval.encoders.weights_catalogue import WeightFile

COMMIT = "c0ffee" + "0" * 34
LARGE = 1_000
"""Bytes from which on a file is stored apart, as the hub's LFS does."""


@dataclass
class Hub:
    """Files by ``owner/name/path``, and what is to go wrong with them.

    Attributes:
        files: What there is.
        cut: Bytes after which an answer ends early, one after the other.
        errors: Status and X-Error-Code to answer instead.
        asked: Method, path, and headers of every request, those of the storage under ``/cdn/``.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    cut: dict[str, list[int]] = field(default_factory=dict)
    errors: dict[str, tuple[int, str]] = field(default_factory=dict)
    commit: str = COMMIT
    asked: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)

    def __enter__(self) -> Hub:
        hub = self

        class Handler(_Handler):
            served = hub

        self._server = _Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def port(self) -> int:
        return self._server.server_address[1]

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def add(self, folder: Path, repositories: dict[str, str]) -> None:
        """Publish every file of a folder; sub-folder by repository."""
        for sub, repository in repositories.items():
            for path in sorted((folder / sub).iterdir()):
                if path.is_file():
                    self.files[f"{repository}/{path.name}"] = path.read_bytes()

    def entry(self, repository: str, path: str, name: str, *, pinned: bool = True) -> WeightFile:
        """The catalogue's entry of a file."""
        data = self.files[f"{repository}/{path}"]
        digest = hashlib.sha256(data).hexdigest()
        size, sha256 = (len(data), digest) if pinned else (None, None)
        return WeightFile(repository, COMMIT, path, name, size, sha256)

    def gets(self) -> list[str]:
        """The paths whose content was asked for, redirections left out."""
        return [path for method, path, _ in self.asked if method == "GET"]


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """Clients may hang up; what is said of it would end up among the words under test."""


class _Handler(BaseHTTPRequestHandler):
    served: Hub
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def log_message(self, format: str, *args: object) -> None:
        pass

    def _answer(self, *, body: bool) -> None:
        hub = self.served
        stored = self.path.startswith("/cdn/")
        parts = self.path.removeprefix("/cdn").split("/")
        # /owner/name/resolve/commit/path…
        key = "/".join([*parts[1:3], *parts[5:]])
        hub.asked.append((self.command, self.path, dict(self.headers)))
        if key in hub.errors:
            status, code = hub.errors[key]
            self.send_response(status)
            self.send_header("X-Error-Code", code)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if key not in hub.files:
            hub.errors[key] = (404, "EntryNotFound")
            self._answer(body=body)
            return
        data = hub.files[key]
        if len(data) >= LARGE and not stored:
            self.send_response(302)
            self.send_header("X-Repo-Commit", hub.commit)
            self.send_header("X-Linked-Etag", f'"{hashlib.sha256(data).hexdigest()}"')
            self.send_header("X-Linked-Size", str(len(data)))
            # By another name, as a storage has one: no token may go there.
            self.send_header("Location", f"http://localhost:{hub.port}/cdn{self.path}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        first = 0
        if (wanted := self.headers.get("Range")) is not None:
            first = int(wanted.removeprefix("bytes=").rstrip("-"))
        self.send_response(206 if first else 200)
        blob = b"blob %d\0" % len(data) + data
        self.send_header("X-Repo-Commit", hub.commit)
        self.send_header("ETag", f'"{hashlib.sha1(blob, usedforsecurity=False).hexdigest()}"')
        if first:
            self.send_header("Content-Range", f"bytes {first}-{len(data) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(data) - first))
        self.end_headers()
        if not body:
            return
        if hub.cut.get(key):
            self.wfile.write(data[first : first + hub.cut[key].pop(0)])
            self.close_connection = True
            return
        self.wfile.write(data[first:])
