"""What a dataset remembers between runs: per video its name and finished steps, by content."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from indexer.dataset.graph import Done, Item, State
from indexer.features_npy import replace_file

FOLDER = ".segue"
_Digest = Annotated[str, StringConstraints(max_length=64)]


class _Step(BaseModel):
    model_config = ConfigDict(extra="ignore")

    key: _Digest
    mark: Annotated[str, StringConstraints(max_length=64)]


class _Video(BaseModel):
    model_config = ConfigDict(extra="ignore")

    name: Annotated[str, StringConstraints(min_length=1, max_length=4096)]
    steps: dict[str, _Step] = {}


def recall(root: Path, digest: str) -> tuple[str | None, dict[str, Done]]:
    """The name and finished steps of a video of this content; nothing if there was none."""
    with contextlib.suppress(OSError, ValidationError):
        video = _Video.model_validate_json(_path(root, digest).read_bytes())
        steps = {
            name: Done(State.CACHED, step.key, step.mark) for name, step in video.steps.items()
        }
        return video.name, steps
    return None, {}


def remember(root: Path, item: Item) -> None:
    """Write down what is finished of a video; what this run did not come to stays as it was."""
    known: Mapping[str, Done] = {**item.earlier, **item.done}
    steps = {
        name: _Step(key=done.key, mark=done.mark) for name, done in known.items() if done.there
    }
    path = _path(root, item.digest)
    path.parent.mkdir(parents=True, exist_ok=True)
    video = _Video(name=item.name, steps=steps)
    replace_file(path, video.model_dump_json(indent=1).encode("utf-8", "surrogateescape"))


def _path(root: Path, digest: str) -> Path:
    return root / FOLDER / f"{digest}.json"
