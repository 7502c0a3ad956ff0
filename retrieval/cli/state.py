"""What the global options say, and the options themselves.

They may stand before the command or after it: ``segue --data DIR search x`` and
``segue search x --data DIR`` are the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from retrieval.settings import Settings

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(slots=True)
class State:
    """The global options of one run; None where an option was not given.

    Attributes:
        data: Folder of the embedded store and of the manifests.
        library: Name of the library.
        qdrant: URL of a Qdrant server.
        address: ``host:port`` of a running service that everything goes through.
        tls: Encrypt that connection.
        tls_ca: Certificate authority of that service; given, the connection is encrypted.
        json: Answer in JSON.
        verbosity: How often ``-v`` was given.
    """

    data: Path | None = None
    library: str | None = None
    qdrant: str | None = None
    address: str | None = None
    tls: bool = False
    tls_ca: Path | None = None
    json: bool = False
    verbosity: int = 0

    def settings(self, **more: object) -> Settings:
        """The settings: environment, then the global options, then ``more``.

        Raises:
            InvalidInputError: INVALID_SETTING; names the setting and where it comes from.
        """
        from pydantic import ValidationError

        from retrieval.core.errors import InvalidInputError
        from retrieval.settings import Settings

        given = {"data_dir": self.data, "library": self.library, "qdrant_url": self.qdrant, **more}
        try:
            return Settings(**{k: v for k, v in given.items() if v is not None})  # type: ignore[arg-type]
        except ValidationError as error:
            first = error.errors()[0]
            name = str(first["loc"][0]) if first["loc"] else "settings"
            raise InvalidInputError(
                f"setting {name} (option or SEGUE_{name.upper()}): {first['msg']}",
                reason="INVALID_SETTING",
                metadata={"setting": name},
            ) from None


def _keep(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    if value is None or value is False or value == 0 or parameter.name is None:
        return
    state = context.ensure_object(State)
    if parameter.name == "verbosity":
        value = max(value, state.verbosity)
    setattr(state, parameter.name, value)


def global_options(*, hidden: bool = True, address: bool = True) -> Callable[[F], F]:
    """Add the global options to a command.

    Args:
        hidden: Leave them out of the command's help, which points to ``segue --help`` instead.
        address: False for commands that cannot work through a service.
    """
    options: list[Callable[[Any], Any]] = [
        click.option(
            "--data",
            type=click.Path(file_okay=False, path_type=Path),
            metavar="DIR",
            help="Folder where libraries live.  [env: SEGUE_DATA_DIR]",
            **_common(hidden),
        ),
        click.option(
            "--library",
            metavar="NAME",
            help="Which library of that folder or server.  [env: SEGUE_LIBRARY; default: music]",
            **_common(hidden),
        ),
        click.option(
            "--qdrant",
            metavar="URL",
            help="Keep the library in a Qdrant server (gRPC port, http(s)://host:6334)."
            "  [env: SEGUE_QDRANT_URL]",
            **_common(hidden),
        ),
        click.option("--json", is_flag=True, help="Answer in JSON.", **_common(hidden)),
        click.option(
            "-v",
            "--verbose",
            "verbosity",
            count=True,
            help="Log what happens; -vv adds tracebacks.",
            **_common(hidden),
        ),
    ]
    if address:
        options[3:3] = [
            click.option(
                "--address",
                metavar="HOST:PORT",
                help="Work through a running service (segue serve) instead of opening the library."
                " Its token comes from SEGUE_TOKEN.",
                **_common(hidden),
            ),
            click.option("--tls", is_flag=True, help="Encrypt that connection.", **_common(hidden)),
            click.option(
                "--tls-ca",
                type=click.Path(exists=True, dir_okay=False, path_type=Path),
                metavar="FILE",
                help="Encrypt that connection, trusting this certificate authority.",
                **_common(hidden),
            ),
        ]

    def decorate(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def _common(hidden: bool) -> dict[str, Any]:
    return {"hidden": hidden, "expose_value": False, "callback": _keep}


pass_state = click.make_pass_decorator(State, ensure=True)
