"""The labels that come with Segue say something to every text model there is."""

from __future__ import annotations

from click.testing import CliRunner

from indexer.tagging_labels import fields_of
from indexer.tagging_standard import standard_labels
from retrieval.cli.app import segue
from retrieval.encoders.registry import load
from retrieval.encoders.zero_shot import prompts


def test_each_standard_label_has_a_field_and_words_that_the_ear_knows() -> None:
    labels = standard_labels()
    assert {label.group for label in labels} == {"voice", "mood", "genre"}
    assert len({field.name for field in fields_of(labels)}) == len(labels) + 2
    ear = load("ear")
    for label in labels:
        for prompt in prompts("ear", label):
            ear.prepare_text(prompt)  # type: ignore[attr-defined]


def test_labels_are_given_once() -> None:
    result = CliRunner().invoke(segue, ["tag", "--standard", "--label", "calm"])
    assert result.exit_code == 2 and "--standard" in result.stderr
