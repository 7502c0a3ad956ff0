"""The ``segue`` group: global options, and commands that load when they are called."""

from __future__ import annotations

import importlib
import logging
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import click

from retrieval.cli.failures import exit_code
from retrieval.cli.state import State, global_options

COMMANDS: Mapping[str, tuple[str, str]] = {
    "index": ("retrieval.cli.index", "Bring a library in step with folders of music."),
    "search": ("retrieval.cli.search", "Find tracks from words, sound, a track or a vector."),
    "similar": ("retrieval.cli.similar", "More like these tracks, less like those."),
    "score": ("retrieval.cli.score", "Find music for a picture."),
    "match": ("retrieval.cli.match", "Match a prediction with a table of perceptual dimensions."),
    "tracks": ("retrieval.cli.tracks", "List, show, count and delete tracks."),
    "tag": ("retrieval.cli.tag", "Tag tracks by a list of labels, through their sound."),
    "describe": ("retrieval.cli.describe", "Tell loudness, tempo, key and more of sound files."),
    "spaces": ("retrieval.cli.spaces", "Show the embedding spaces of a library."),
    "models": ("retrieval.cli.models", "Fetch, check and convert the weights of CLAP and CLAMP3."),
    "serve": ("retrieval.cli.serve", "Serve a library over gRPC."),
    "compare": ("retrieval.cli.compare", "Tell how alike files, folders or a text and sounds are."),
    "export": ("retrieval.cli.export", "Write vectors to .npy files or a Parquet table."),
    "extract": ("retrieval.cli.extract", "Run pitch, beat, chord and embedding extractors."),
    "dataset": ("retrieval.cli.dataset", "Make datasets of videos for models that generate."),
    "copy": ("retrieval.cli.copy", "Copy a library to another store, encoding nothing again."),
    "train": ("retrieval.cli.train", "Train models for pictures on pairs of your own."),
    "eval": ("retrieval.cli.evaluate", "Measure retrieval on a CSV of queries and answers."),
    "demo": ("retrieval.cli.demo", "Show the whole thing on a small rendered library."),
}


class LazyGroup(click.Group):
    """Knows its commands by name; imports the module of the one that runs.

    Each module has one ``command``. All errors end in ``failures.exit_code``.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order a newcomer needs them."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one command."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(COMMANDS[cmd_name][0])
        command = module.command
        if not isinstance(command, click.Command):
            raise TypeError(f"{module.__name__}.command is not a click command")
        return _unwrapped(command)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in COMMANDS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Suggest what was probably meant by an unknown command."""
        import difflib

        name = str(args[0])
        if name not in COMMANDS and not name.startswith("-"):
            close = difflib.get_close_matches(name, COMMANDS, n=1)
            meant = f"did you mean {close[0]!r}?" if close else f"use one of {', '.join(COMMANDS)}"
            ctx.fail(f"no such command {name!r}; {meant}")
        return super().resolve_command(ctx, args)

    def main(  # type: ignore[override]
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        **extra: Any,
    ) -> NoReturn:
        """Run, report any error, and exit.

        Raises:
            SystemExit: Always, with a code of ``failures``.
        """
        given = list(sys.argv[1:] if args is None else args)
        # Bad usage is found before the option is read.
        state = State(json="--json" in given)
        extra["standalone_mode"] = False
        try:
            returned = super().main(given, prog_name, obj=state, **extra)
            sys.stdout.flush()
        except BrokenPipeError:
            # Whoever read our answer has enough of it; nothing may be written at exit either.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(0)
        except Exception as error:
            sys.exit(exit_code(error, state))
        except KeyboardInterrupt as error:
            sys.exit(exit_code(error, state))
        sys.exit(returned if isinstance(returned, int) else 0)


def _unwrapped(command: click.Command) -> click.Command:
    r"""Let ``\b`` lines in help texts, raw strings all, keep the paragraph below from wrapping."""
    if command.help is not None:
        command.help = command.help.replace("\\b\n", "\b\n")
    if isinstance(command, click.Group) and not isinstance(command, LazyGroup):
        for one in command.commands.values():
            _unwrapped(one)
    return command


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 done, 2 bad input, 3 some files failed, 4 not found, 5 wrong state, "
    "6 unreachable, 7 out of time or capacity, 8 unauthenticated, 70 defect, 130 interrupted.",
)
@click.version_option(package_name="segue", message="segue %(version)s")
@global_options(hidden=False)
@click.pass_obj
def segue(state: State) -> None:
    r"""Find the right track, and the right moment in it, from words or from sound.

    \b
      segue index ~/Music                    read a folder; again whenever files change
      segue search "calm piano"              words
      segue search --audio hum.wav           sound
      segue similar TRACK                    more like a track of the library
      segue serve                            the same over gRPC

    The options below may stand before or after the command.
    """
    level = {0: logging.WARNING, 1: logging.INFO}.get(state.verbosity, logging.DEBUG)
    logging.basicConfig(
        level=level, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s"
    )


_unwrapped(segue)
