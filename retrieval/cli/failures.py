"""How a run of ``segue`` ends when something goes wrong.

====  ==========================================================
code  meaning
====  ==========================================================
0     done
2     bad usage, or input that can never work
3     indexing finished, but some files failed
4     no such track or segment
5     the library or machine is not in the state the command needs
6     the store or service cannot be reached
7     out of time or capacity
8     the token is missing or wrong
70    a defect of Segue
130   interrupted
====  ==========================================================

With ``--json`` the error is one line on stderr:
``{"error": {"reason": …, "message": …, "metadata": {…}}}``.
"""

from __future__ import annotations

import json
import traceback
from collections.abc import Mapping

import click

from retrieval.cli.state import State
from retrieval.core.errors import ErrorKind, SegueError

EXIT_FILES_FAILED = 3
EXIT_INTERNAL = 70
EXIT_INTERRUPTED = 130

EXIT_CODES: Mapping[ErrorKind, int] = {
    ErrorKind.INVALID_ARGUMENT: 2,
    ErrorKind.NOT_FOUND: 4,
    ErrorKind.FAILED_PRECONDITION: 5,
    ErrorKind.UNAVAILABLE: 6,
    ErrorKind.RESOURCE_EXHAUSTED: 7,
    ErrorKind.DEADLINE_EXCEEDED: 7,
    ErrorKind.UNAUTHENTICATED: 8,
    ErrorKind.CANCELLED: EXIT_INTERRUPTED,
    ErrorKind.INTERNAL: EXIT_INTERNAL,
}


def exit_code(error: BaseException, state: State) -> int:
    """Report an error on stderr and return the exit code it calls for."""
    if isinstance(error, click.Abort | KeyboardInterrupt):
        _report(state, "INTERRUPTED", "interrupted", {})
        return EXIT_INTERRUPTED
    if isinstance(error, click.ClickException):
        if state.json:
            _report(state, "INVALID_REQUEST", error.format_message(), {})
        else:
            error.show()
        return EXIT_CODES[ErrorKind.INVALID_ARGUMENT]
    if state.verbosity >= 2:
        click.echo("".join(traceback.format_exception(error)), err=True)
    if isinstance(error, SegueError):
        _report(state, error.reason, error.message, error.metadata)
        return EXIT_CODES[error.kind]
    problem = f"{type(error).__name__}: {error}"
    _report(
        state,
        "INTERNAL",
        f"this should not have happened ({problem}); -vv shows where",
        {"exception": type(error).__name__},
    )
    return EXIT_INTERNAL


def _report(state: State, reason: str, message: str, metadata: Mapping[str, str]) -> None:
    if state.json:
        body = {"reason": reason, "message": message, "metadata": dict(metadata)}
        click.echo(json.dumps({"error": body}, ensure_ascii=False), err=True)
        return
    # File names and a service's words are not ours: no control character but line breaks.
    shown = "".join(char if char.isprintable() or char == "\n" else " " for char in message)
    click.echo(f"{click.style('segue:', fg='red', bold=True)} {shown}", err=True)
