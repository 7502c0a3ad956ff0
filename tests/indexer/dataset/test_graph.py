"""The runner alone: random graphs of small steps are brought up to date, and no step runs twice."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.dataset import memory
from indexer.dataset.given import Given
from indexer.dataset.graph import Graph, Item, State, Work, digest_of, output_path
from retrieval.core.errors import InvalidInputError

COUNT = 6


class Joined:
    """Writes its own mark and what its inputs hold."""

    extension = ".txt"
    uses: tuple[str, ...] = ()

    def __init__(self, number: int, needs: frozenset[int], *, mark: int = 0) -> None:
        self.name, self.version = f"s{number}", 1 + mark
        self.needs = tuple(f"s{one}" for one in sorted(needs))
        self.fails = False

    def parameters(self) -> Mapping[str, object]:
        return {}

    def run(self, work: Work) -> None:
        work.target.write_text("half")
        if self.fails:
            raise InvalidInputError("broken")
        parts = [work.inputs[name].read_text() for name in self.needs]
        work.target.write_text(f"{self.name}.{self.version}({','.join(parts)})")


def wanted(steps: dict[str, Joined], name: str) -> str:
    parts = [wanted(steps, one) for one in steps[name].needs]
    return f"{name}.{steps[name].version}({','.join(parts)})"


def run(root: Path, source: Path, steps: list[Joined], skip: frozenset[str] = frozenset()):
    digest = digest_of(source)
    item = Item(source, "v", digest, memory.recall(root, digest)[1])
    Graph(steps, Given(None)).run(item, root, skip=skip, stopped=lambda: False)
    memory.remember(root, item)
    return item.done


EDGES = st.lists(st.frozensets(st.integers(0, COUNT - 1)), min_size=COUNT, max_size=COUNT).map(
    lambda sets: [frozenset(one for one in needs if one < n) for n, needs in enumerate(sets)]
)


@given(EDGES, st.integers(0, COUNT - 1), st.sampled_from(["version", "fails", "skip", "change"]))
@settings(max_examples=40, deadline=None)
def test_what_changed_and_what_follows_from_it_runs_again(tmp_path_factory, edges, which, how):
    root = tmp_path_factory.mktemp("graph")
    source = root / "video"
    source.write_text("content")
    steps = [Joined(n, needs) for n, needs in enumerate(edges)]
    by_name = {step.name: step for step in steps}
    assert {d.state for d in run(root, source, steps).values()} == {State.OK}
    assert {d.state for d in run(root, source, steps[::-1]).values()} == {State.CACHED}
    below = {f"s{which}"}
    for number in range(which, COUNT):
        below |= {f"s{number}"} if below & set(by_name[f"s{number}"].needs) else set()
    changed = by_name[f"s{which}"]
    if how == "skip":
        states = run(root, source, steps, frozenset({changed.name}))
        expected = dict.fromkeys(by_name, State.CACHED) | {changed.name: State.SKIPPED}
    elif how == "version":
        changed.version += 1
        states = run(root, source, steps)
        expected = {n: State.OK if n in below else State.CACHED for n in by_name}
    elif how == "change":
        source.write_text("other content")
        states = run(root, source, steps)
        expected = dict.fromkeys(by_name, State.OK)
    else:
        changed.version, changed.fails = 9, True
        states = run(root, source, steps)
        expected = {n: State.BLOCKED if n in below else State.CACHED for n in by_name}
        expected[changed.name] = State.FAILED
    assert {name: done.state for name, done in states.items()} == expected
    for name, done in states.items():
        if done.there:
            assert output_path(root, by_name[name], "v").read_text() == wanted(by_name, name)
    assert not list(root.rglob(".*.part"))


def test_a_circle_is_no_graph() -> None:
    with pytest.raises(ValueError, match="cycle"):
        Graph([Joined(0, frozenset({1})), Joined(1, frozenset({0}))], Given(None))
