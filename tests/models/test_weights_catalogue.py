"""The catalogue itself: what it pins, and that it describes folders which encoders can read."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from retrieval.core.errors import InvalidInputError
from retrieval.encoders.registry import descriptions
from retrieval.encoders.weights_catalogue import DEFAULTS, Weights, every, find

README = Path(__file__).parents[2] / "README.md"


@pytest.mark.parametrize("weights", every(), ids=lambda weights: weights.name)
def test_every_pin_is_whole(weights: Weights) -> None:
    assert weights.licences
    for file in weights.files:
        assert re.fullmatch(r"[\w.-]+/[\w.-]+", file.repository)
        assert re.fullmatch(r"[0-9a-f]{40}", file.revision)
        assert file.sha256 is None or re.fullmatch(r"[0-9a-f]{64}", file.sha256)
        assert file.size is None or file.size > 0
        assert not Path(file.name).is_absolute()
        assert ".." not in Path(file.name).parts
    known = [file.size for file in weights.files if file.size is not None]
    assert weights.size is None or weights.files[-1].size == max(known)


def test_names_and_defaults() -> None:
    names = [weights.name for weights in every()]
    assert len(set(names)) == len(names)
    encoders = {description.name for description in descriptions()}
    assert {weights.encoder for weights in every()} <= encoders
    for encoder, name in DEFAULTS.items():
        default = find(encoder)
        assert (default.name, default.encoder) == (name, encoder)
        assert default.refused is None
        # What most people will fetch, nobody has to take on trust.
        assert default.pinned


def test_a_digest_belongs_to_one_file() -> None:
    """Two entries of one digest are the same file; of one commit and path, the same digest."""
    seen: dict[str, int | None] = {}
    places: dict[tuple[str, str, str], str | None] = {}
    for weights in every():
        for file in weights.files:
            if file.sha256 is not None:
                assert seen.setdefault(file.sha256, file.size) == file.size
            place = (file.repository, file.revision, file.path)
            assert places.setdefault(place, file.sha256) == file.sha256


def test_the_folders_are_such_as_encoders_read() -> None:
    pytest.importorskip("torch")
    from retrieval.encoders.clamp3_sizes import parse_name

    for weights in every():
        if weights.refused is not None:
            continue
        names = [Path(file.name) for file in weights.files]
        assert any(name.name == "tokenizer.json" for name in names)
        if weights.encoder == "clamp3":
            sizes = parse_name(names[-1])
            assert (sizes.hidden, sizes.audio_layers) == (768, 12)
        else:
            assert (Path("config.json") in names) is (names[-1].suffix != ".pt")
            assert all(len(name.parts) == 1 for name in names)


def test_what_the_readme_says_of_it() -> None:
    text = README.read_text()
    open_ones = [weights for weights in every() if not weights.pinned]
    assert len(open_ones) == 2
    assert "For\ntwo of LAION's files" in text
    assert {file.repository for weights in open_ones for file in weights.files[1:]} == {
        "lukewys/laion_clap"
    }
    for name in re.findall(r"segue models download ([\w.-]+)", text):
        assert find(name).refused is None
    (refused,) = [weights for weights in every() if weights.refused]
    assert f"`{refused.name}` is refused" in text


def test_near_names_are_suggested() -> None:
    with pytest.raises(InvalidInputError, match="did you mean 'larger_clap_general'"):
        find("larger_clap_genral")
    with pytest.raises(InvalidInputError, match="segue models list"):
        find("zzz")
    assert find("630k-audioset-best.pt") is find("630k-audioset-best")


def test_it_takes_no_torch_to_look_things_up() -> None:
    code = (
        "import sys\n"
        "from click.testing import CliRunner\n"
        "from retrieval.cli.app import segue\n"
        "for arguments in (['list'], ['verify'], ['download', 'clamp3']):\n"
        "    CliRunner().invoke(segue, ['--data', sys.argv[1], 'models', *arguments])\n"
        "print(*sorted({'torch', 'transformers', 'numpy', 'huggingface_hub'} & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "/nonexistent"], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() in {"", "numpy"}
