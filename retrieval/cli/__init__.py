"""The ``segue`` command. Nothing heavy is imported before a command needs it."""

from __future__ import annotations


def main() -> None:
    """Run the command line and exit with its code; see ``retrieval.cli.failures``."""
    import io
    import sys

    from retrieval.cli.app import segue

    if isinstance(sys.stdout, io.TextIOWrapper):
        # A title that the terminal's encoding lacks is shown escaped rather than not at all.
        sys.stdout.reconfigure(errors="backslashreplace")
    segue.main(prog_name="segue")
