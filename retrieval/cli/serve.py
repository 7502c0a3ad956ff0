"""``segue serve``."""

from __future__ import annotations

from pathlib import Path

import click

from retrieval.cli.state import State, global_options, pass_state

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("serve")
@click.option(
    "--address",
    default="127.0.0.1:50051",
    show_default=True,
    metavar="HOST:PORT",
    help="Where to listen; port 0 picks a free one.",
)
@click.option("--tls-certificate", type=_FILE, metavar="FILE", help="Serve with TLS: certificate.")
@click.option("--tls-key", type=_FILE, metavar="FILE", help="Serve with TLS: private key.")
@click.option(
    "--tls-client-ca",
    type=_FILE,
    metavar="FILE",
    help="Take only clients with a certificate of this authority (mutual TLS).",
)
@click.option(
    "--max-concurrent", type=click.IntRange(1), metavar="N", help="Calls in work or waiting."
)
@click.option(
    "--port-file",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write the port here once the service is ready; gone when it has stopped.",
)
@global_options(address=False)
@pass_state
def command(
    state: State,
    *,
    address: str,
    tls_certificate: Path | None,
    tls_key: Path | None,
    tls_client_ca: Path | None,
    max_concurrent: int | None,
    port_file: Path | None,
) -> None:
    r"""Serve a library over gRPC, with health checks and reflection.

    The service owns the embedded store while it runs: other commands reach the library with
    --address. It answers SIGTERM and Ctrl-C by finishing the calls in work. A token that every call
    must carry is taken from SEGUE_TOKEN, never from the command line.

    \b
    Examples:
      segue serve
      SEGUE_TOKEN=… segue serve --address 0.0.0.0:50051 --tls-certificate c.pem --tls-key k.pem
      segue serve --qdrant http://localhost:6334

    The global options --data, --library and --qdrant may stand here too; see segue --help.
    """
    if state.address is not None:
        raise click.UsageError("put --address after serve: it says where to listen")
    if (tls_certificate is None) != (tls_key is None):
        raise click.UsageError("--tls-certificate and --tls-key go together")
    if tls_client_ca is not None and tls_certificate is None:
        raise click.UsageError("--tls-client-ca needs --tls-certificate and --tls-key")
    from retrieval.service import serve

    levels = {0: None, 1: "info"}
    settings = state.settings(
        tls_certificate=tls_certificate,
        tls_key=tls_key,
        tls_client_ca=tls_client_ca,
        max_concurrent=max_concurrent,
        log_level=levels.get(state.verbosity, "debug"),
    )
    serve(settings, address, port_file=port_file)
