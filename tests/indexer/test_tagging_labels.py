"""Label files: what they say, and what they may not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.tagging_labels import (
    MAX_BYTES,
    MAX_LABELS,
    MAX_NAME,
    MAX_PROMPT,
    MAX_PROMPTS,
    field_of,
    fields_of,
    named_labels,
    parse_labels,
    read_labels,
)
from retrieval.core.errors import InvalidInputError
from retrieval.core.payload import FIELD_NAME, fits
from retrieval.encoders.zero_shot import Label


def parse(text: str) -> tuple[Label, ...]:
    return parse_labels(text.encode(), "moods.txt")


def problem(text: str | bytes) -> str:
    data = text if isinstance(text, bytes) else text.encode()
    with pytest.raises(InvalidInputError) as caught:
        parse_labels(data, "moods.txt")
    assert caught.value.reason == "INVALID_LABELS"
    return caught.value.message


def test_a_list_with_everything_in_it() -> None:
    text = "\ufeff# moods\r\n[Mood]\r\n\r\n calm \r\nwild|fast music | loud music|fast music\r\n"
    text += "[]\npiano"
    with pytest.raises(InvalidInputError, match="line 6: the heading"):
        parse(text)
    assert parse(text.replace("[]", "[instrument]")) == (
        Label("calm", "mood"),
        Label("wild", "mood", ("fast music", "loud music")),
        Label("piano", "instrument"),
    )


def test_any_script_and_one_spelling_of_accents() -> None:
    (label,) = parse("cafe\u0301")
    assert label.name == "caf\u00e9"
    assert [one.name for one in parse("спокойная\n静か\nR&B")] == ["спокойная", "静か", "R&B"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "there are no labels"),
        ("# only a comment\n[mood]\n", "there are no labels"),
        ("calm\n\n!?\n", "line 3: the label '!?' has no letter"),
        ("calm\n| a prompt", "line 2: the label '' has no letter"),
        ("calm |", "line 1: the prompt '' has no letter"),
        ("calm\nca\x00lm", "line 2: there are control characters in the label"),
        ("a\u2028b", "line 1: there are control characters"),
        ("x" * (MAX_NAME + 1), f"line 1: the label has {MAX_NAME + 1} characters"),
        ("x|" + "y" * (MAX_PROMPT + 1), f"line 1: the prompt has {MAX_PROMPT + 1} characters"),
        ("x" + "|y" * (MAX_PROMPTS + 1), f"line 1: more than {MAX_PROMPTS} prompts"),
        ("[mood\ncalm", "line 1: write a heading as [mood]"),
        ("[[mood]]\ncalm", "line 1: write a heading as [mood]"),
        (b"calm\n\xff\xfe", "line 2: not UTF-8"),
        ("calm\nloud\nCalm", "line 3: 'Calm' and 'calm' (line 1) would share the field tag_calm"),
        ("hip hop\nhip-hop", "line 2: 'hip-hop' and 'hip hop' (line 1) would share"),
        ("\n".join(f"l{n}" for n in range(MAX_LABELS + 1)), f"more than {MAX_LABELS} labels"),
    ],
)
def test_what_is_wrong_names_the_line(text: str | bytes, says: str) -> None:
    message = problem(text)
    assert message.startswith("labels: moods.txt: ")
    assert says in message


def test_files_are_bounded(tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    with pytest.raises(InvalidInputError, match="there is no such file"):
        read_labels(path)
    with pytest.raises(InvalidInputError, match="there is no such file"):
        read_labels(tmp_path)
    path.write_bytes(b"#" * (MAX_BYTES + 1))
    with pytest.raises(InvalidInputError, match="larger than"):
        read_labels(path)
    path.write_bytes(b"calm\n" + b"#" * (MAX_BYTES - 5))
    assert read_labels(path) == (Label("calm"),)


def test_labels_given_one_by_one() -> None:
    assert named_labels(["calm | soft music", "wild"]) == (
        Label("calm", prompts=("soft music",)),
        Label("wild"),
    )
    with pytest.raises(InvalidInputError, match=r"--label 'Wild'.*--label 'wild'.*tag_wild"):
        named_labels(["wild", "Wild"])
    with pytest.raises(InvalidInputError, match="not UTF-8"):
        named_labels(["\udcff"])
    with pytest.raises(InvalidInputError, match="more than"):
        named_labels([str(n) for n in range(MAX_LABELS + 1)])


def test_fields() -> None:
    assert field_of(Label("Hip-Hop & R'n'B")) == "tag_hip_hop_r_n_b"
    assert field_of(Label("café")) == "tag_cafe"
    assert re.fullmatch("tag_[0-9a-f]{12}", field_of(Label("спокойная")))
    assert field_of(Label("спокойная")) != field_of(Label("静か"))
    names = [field.name for field in fields_of(parse("calm\nwild"))]
    assert names == ["tags", "tagged_by", "tag_calm", "tag_wild"]
    assert all(field.computed for field in fields_of(parse("calm")))


@given(st.binary(max_size=200))
def test_any_bytes_give_labels_or_say_why_not(data: bytes) -> None:
    try:
        labels = parse_labels(data, "x")
    except InvalidInputError as error:
        assert error.reason == "INVALID_LABELS"
        assert error.message.isprintable()
        return
    assert labels
    for label in labels:
        assert all(FIELD_NAME.match(field.name) for field in fields_of([label]))
        assert fits(fields_of([label])[0].type, label.name)
        assert label.name == label.name.strip()


NAMES = st.text(st.characters(exclude_categories=("C", "Z"), exclude_characters="|#[]"), min_size=1)


@given(st.lists(st.tuples(NAMES, st.lists(NAMES, max_size=3)), min_size=1, max_size=8))
def test_what_was_written_is_what_is_read(rows: list[tuple[str, list[str]]]) -> None:
    text = "\n".join(" | ".join([name, *prompts]) for name, prompts in rows)
    try:
        labels = parse(text)
    except InvalidInputError:
        return
    again = "\n".join(" | ".join([one.name, *one.prompts]) for one in labels)
    assert parse(again) == labels
    assert len(labels) == len(rows)
