"""The ``segue`` command. Nothing heavy is imported before a command needs it."""

from __future__ import annotations


def main() -> None:
    """Run the command line and exit with its code; see ``retrieval.cli.failures``."""
    from retrieval.cli.app import segue

    segue.main(prog_name="segue")
