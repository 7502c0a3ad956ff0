"""``segue models``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from retrieval.cli.state import State, global_options, pass_state
from retrieval.cli.weights import (
    agree,
    chosen,
    described,
    gigabytes,
    load_encoder,
    place_of,
    showing_progress,
    tell_how,
    unsound,
)

if TYPE_CHECKING:
    from retrieval.core.errors import PreconditionError

folder_option = click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Folder of these weights; default: where the encoder looks for them.",
)


@click.group("models", no_args_is_help=True)
@global_options(address=False)
def command() -> None:
    r"""Fetch, check and convert the weights of CLAP and CLAMP3.

    They are fetched beforehand, never while indexing or searching. Every file is held to a commit
    and a SHA-256: that of the catalogue, or where nobody has published one that of the first
    download. HF_ENDPOINT, HF_TOKEN, HF_HOME and HF_HUB_OFFLINE hold as for any use of the hub.

    \b
    Examples:
      segue models list
      segue models download clap
      segue models download clamp3 --accept-licence
      segue models download clamp3 --from /media/usb/weights
      segue models verify
      segue models convert clamp3
    """


@command.command("list", short_help="Show what there is, and what is here.")
@global_options(address=False)
@pass_state
def list_models(state: State) -> None:
    r"""Show the weights there are, their licences, and which of them are here.

    Pinned says what a download is held to: "catalogue" for a SHA-256 known beforehand, "first use"
    where the first download decides. State is ready, missing, partial or wrong.

    \b
    Examples:
      segue models list
      segue models list --json
    """
    from retrieval.cli.output import Column, print_json, print_table
    from retrieval.encoders.weights_catalogue import every

    shown = [described(state, weights) for weights in every()]
    if state.json:
        print_json({"weights": shown})
        return
    columns = (
        Column("name", "bold", fold=True, least=20),
        Column("encoder", least=7),
        Column("state", "green", least=7),
        Column("size", right=True),
        Column("licence", least=12),
        Column("pinned", least=9),
        Column("what it is", "dim", least=10),
        Column("folder", pipes=True),
        Column("settings", pipes=True),
    )
    rows = [
        (
            one["name"],
            one["encoder"],
            "refused" if one["refused"] else one["state"],
            gigabytes(one["size"]),
            ", ".join(dict.fromkeys(licence["name"] for licence in one["licences"])),
            "" if one["refused"] else one["pinned"],
            one["summary"],
            one["folder"],
            " ".join(f"{name}={value}" for name, value in one["settings"].items()),
        )
        for one in shown
    ]
    places = {one["encoder"]: one["folder"] for one in shown}
    folders = "\n".join(f"{encoder}: {folder}" for encoder, folder in places.items())
    print_table(columns, rows, caption=folders)


@command.command("download", short_help="Fetch weights; goes on where it was cut short.")
@click.argument("name")
@folder_option
@click.option(
    "--from",
    "origin",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Take the files from this folder instead of the hub; they are checked all the same.",
)
@click.option(
    "--accept-licence", is_flag=True, help="Accept non-commercial licences without being asked."
)
@global_options(address=False)
@pass_state
def download(
    state: State, name: str, folder: Path | None, origin: Path | None, accept_licence: bool
) -> None:
    r"""Fetch weights; NAME is one of the list, or clap or clamp3 for the default of that encoder.

    A download that was cut short goes on where it was when the command is run again. Nothing has
    its final name before its digest is right.

    \b
    Examples:
      segue models download clap
      segue models download music_audioset_epoch_15_esc_90.14
      segue models download clamp3 --accept-licence
      segue models download clamp3 --from /media/usb/weights
    """
    from retrieval.cli.output import print_json
    from retrieval.encoders.weights_catalogue import find
    from retrieval.encoders.weights_download import download as fetch
    from retrieval.encoders.weights_download import refuse
    from retrieval.encoders.weights_hub import HubSource
    from retrieval.encoders.weights_source import FolderSource

    weights = find(name)
    refuse(weights)
    agree(state, weights, accepted=accept_licence)
    place = place_of(state, weights, folder)
    source = FolderSource(origin) if origin else HubSource()
    with showing_progress(state) as progress:
        fetched = fetch(weights, place, source, progress)
    if state.json:
        files = [{**one.file.model_dump(), "new": one.new} for one in fetched]
        print_json({**described(state, weights, place), "files": files})
        return
    new = sum(one.file.size for one in fetched if one.new)
    told = f"{gigabytes(new)} fetched" if new else "all of it was there"
    click.echo(f"{weights.name} is ready in {place} ({told}).")
    first = [one.file.name for one in fetched if one.file.pinned == "first use"]
    if first:
        click.echo(f"From now on held to what came this time: {', '.join(first)}")
    tell_how(state, weights, place)


@command.command("verify", short_help="Read every file again, compare its SHA-256.")
@click.argument("name", required=False)
@folder_option
@click.option("--load", is_flag=True, help="Also load the model and try it on a few texts.")
@global_options(address=False)
@pass_state
def verify(state: State, name: str | None, folder: Path | None, load: bool) -> None:
    r"""Read every file again and compare its SHA-256; without NAME, of all weights that are here.

    \b
    Examples:
      segue models verify
      segue models verify clamp3 --load
    """
    from retrieval.cli.output import Column, print_json, print_table
    from retrieval.encoders.weights_folder import State as Condition
    from retrieval.encoders.weights_folder import check, overall, wanted_in

    answers: list[dict[str, Any]] = []
    failed: PreconditionError | None = None
    for weights, place in chosen(state, name, folder):
        with showing_progress(state) as progress:
            found = tuple(check(place, one, progress) for one in wanted_in(weights, place))
        condition = overall(found)
        if condition is not Condition.READY:
            failed = failed or unsound(weights, place, found)
        revision: str | None = None
        if load and condition is Condition.READY:
            revision = load_encoder(weights, place, state.settings().graphs_dir)
        answers.append(
            {
                "name": weights.name,
                "folder": str(place),
                "state": condition.value,
                "revision": revision,
                "files": [
                    {"name": one.name, "state": one.state.value, "problem": one.problem}
                    for one in found
                ],
            }
        )
    if state.json:
        print_json({"weights": answers})
    else:
        columns = (
            Column("weights", "bold"),
            Column("file", fold=True),
            Column("state", "green"),
            Column("problem", "red", fold=True),
        )
        rows = [
            (answer["name"], file["name"], file["state"], file["problem"])
            for answer in answers
            for file in answer["files"]
        ]
        loaded = [f"{a['name']} loads: {a['revision']}" for a in answers if a["revision"]]
        print_table(columns, rows, caption="\n".join(loaded))
    if failed is not None:
        raise failed


@command.command("convert", short_help="Write weights once as safetensors.")
@click.argument("name")
@folder_option
@click.option(
    "--to",
    "target",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Write them here; default: beside the originals, which may then be deleted.",
)
@global_options(address=False)
@pass_state
def convert(state: State, name: str, folder: Path | None, target: Path | None) -> None:
    r"""Write weights once as safetensors, which load faster and cannot hold code.

    Vectors and the revision of the space stay what they were: nothing has to be indexed again.

    \b
    Examples:
      segue models convert clamp3
      segue models convert clap --to /srv/models/clap
    """
    from retrieval.cli.output import note, print_json
    from retrieval.encoders.weights_convert import convert as write
    from retrieval.encoders.weights_folder import expected_files

    ((weights, place),) = chosen(state, name, folder)
    note(f"reading {place}")
    written = write(weights, place, target or place)
    files = [one.model_dump(include={"name", "size", "sha256"}) for one in written]
    if state.json:
        print_json({**described(state, weights, target or place), "files": files})
        return
    size = sum(one.size for one in written)
    click.echo(f"{weights.name} is in {target or place} as safetensors ({gigabytes(size)}).")
    kept = {one.name for one in written}
    spare = [place / one.name for one in expected_files(weights, None) if one.name not in kept]
    if target is None and (spare := [path for path in spare if path.exists()]):
        click.echo(f"No longer needed: {', '.join(map(str, spare))}")
    tell_how(state, weights, target or place)
