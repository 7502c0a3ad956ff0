"""``segue index`` with weights that are wrong, damaged or hostile: one clear line, and no trace."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from pickle import UnpicklingError

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from retrieval.encoders import registry  # noqa: E402
from tests.cli.conftest import Segue  # noqa: E402
from tests.models.tiny import CLAMP3_NAME, write_clamp3, write_tokenizer  # noqa: E402
from tests.models.tiny_clap import tiny_clap, write_hub, write_laion  # noqa: E402
from tests.signals import encode, song  # noqa: E402

SAAS = f"clamp3/{CLAMP3_NAME.format(flavour='saas')}"
C2 = f"clamp3/{CLAMP3_NAME.format(flavour='c2')}"
MERT = "MERT-v1-95M/pytorch_model.bin"
TOKENIZER = "xlm-roberta-base/tokenizer.json"
Break = Callable[[Path], object]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("music")
    (folder / "one.flac").write_bytes(encode(song(1, 6.0), format="flac"))
    return folder


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("whole")
    write_clamp3(root / "clamp3")
    write_hub(root / "clap")
    (root / "laion").mkdir()
    size = write_tokenizer(root / "laion" / "tokenizer.json")
    write_laion(root / "laion" / "laion.pt", tiny_clap(size))
    return root


@pytest.fixture(autouse=True)
def _own_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("SEGUE_")]:
        monkeypatch.delenv(name)
    # Tests give their weights the same path again and again.
    registry._load.cache_clear()


class Mine:
    """What a hostile pickle asks for: a file that proves it was obeyed."""

    def __init__(self, proof: Path) -> None:
        self.proof = proof

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (os.system, (f"touch {self.proof}",))


def proof(folder: Path) -> Path:
    return folder.parent / "obeyed"


def halve(name: str) -> Break:
    def apply(folder: Path) -> None:
        data = (folder / name).read_bytes()
        (folder / name).write_bytes(data[: len(data) // 2])

    return apply


def plant(name: str, *keys: str) -> Break:
    def apply(folder: Path) -> None:
        content: object = Mine(proof(folder))
        for key in reversed(keys):
            content = {key: content}
        torch.save(content, folder / name)

    return apply


def plant_old(name: str) -> Break:
    """The same in the format of before PyTorch 1.6, a bare pickle."""

    def apply(folder: Path) -> None:
        content = {"model": {"x": Mine(proof(folder))}}
        torch.save(content, folder / name, _use_new_zipfile_serialization=False)

    return apply


def remove(name: str) -> Break:
    return lambda folder: (folder / name).unlink()


def replace(source: str, name: str) -> Break:
    """Put a file of another model in the place of this one."""

    def apply(folder: Path) -> None:
        shutil.copy(folder.parent / "others" / source, folder / name)

    return apply


CLAMP3: dict[str, tuple[Break, str, str, str]] = {
    "nothing there": (shutil.rmtree, "MODEL_MISSING", "clamp3", "segue models download clamp3"),
    "C2 instead of SAAS": (
        lambda f: (f / SAAS).rename(f / C2),
        "MODEL_INVALID",
        C2,
        "weights_clamp3_saas_….pth: fetch them with segue models download clamp3",
    ),
    "CLAP instead of MERT": (
        replace("clap/config.json", "MERT-v1-95M/config.json"),
        "MODEL_MISSING",
        "clamp3",
        "no MERT in it",
    ),
    "LAION's checkpoint under its name": (
        replace("laion/laion.pt", SAAS),
        "MODEL_INVALID",
        SAAS,
        "could run code",
    ),
    "CLAMP3 as MERT": (
        lambda f: shutil.copy(f / SAAS, f / MERT),
        "MODEL_INVALID",
        MERT,
        "is not a tensor",
    ),
    "truncated": (halve(SAAS), "MODEL_INVALID", SAAS, "segue models download"),
    "MERT truncated": (halve(MERT), "MODEL_INVALID", MERT, "segue models download"),
    "empty": (
        lambda f: (f / SAAS).write_bytes(b""),
        "MODEL_INVALID",
        SAAS,
        "segue models download",
    ),
    "a page of HTML": (
        lambda f: (f / SAAS).write_text("<html>404</html>"),
        "MODEL_INVALID",
        SAAS,
        "",
    ),
    "hostile": (plant(SAAS, "model", "x"), "MODEL_INVALID", SAAS, "could run code"),
    "hostile at the top": (plant(SAAS), "MODEL_INVALID", SAAS, "could run code"),
    "hostile MERT": (plant(MERT, "x"), "MODEL_INVALID", MERT, "could run code"),
    "hostile and old": (plant_old(SAAS), "MODEL_INVALID", SAAS, "could run code"),
    "no tokenizer": (
        remove(TOKENIZER),
        "MODEL_MISSING",
        "clamp3",
        "segue models download clamp3",
    ),
    "a tokenizer of five tokens": (
        replace("five.json", TOKENIZER),
        "MODEL_INVALID",
        TOKENIZER,
        "it has 5 tokens",
    ),
}
CLAP: dict[str, tuple[Break, str, str, str]] = {
    "nothing there": (shutil.rmtree, "MODEL_MISSING", "clap", "segue models download clap"),
    "MERT's configuration": (
        replace("clamp3/MERT-v1-95M/config.json", "config.json"),
        "MODEL_INVALID",
        "config.json",
        "model_type is 'mert_model'",
    ),
    "truncated": (
        halve("model.safetensors"),
        "MODEL_INVALID",
        "model.safetensors",
        "segue models download",
    ),
    "no tokenizer": (
        remove("tokenizer.json"),
        "MODEL_MISSING",
        "tokenizer.json",
        "segue models download",
    ),
    "a tokenizer of five tokens": (
        replace("five.json", "tokenizer.json"),
        "MODEL_INVALID",
        "tokenizer.json",
        "it has 5 tokens",
    ),
    "a hostile bin": (
        lambda f: (remove("model.safetensors")(f), plant("pytorch_model.bin", "x")(f)),
        "MODEL_INVALID",
        "pytorch_model.bin",
        "could run code",
    ),
}
LAION: dict[str, tuple[Break, str, str, str]] = {
    "truncated": (halve("laion.pt"), "MODEL_INVALID", "laion.pt", "segue models download"),
    "CLAMP3's checkpoint": (
        replace(f"clamp3/{SAAS}", "laion.pt"),
        "MODEL_INVALID",
        "laion.pt",
        "",
    ),
    "hostile": (plant("laion.pt", "state_dict", "x"), "MODEL_INVALID", "laion.pt", "run code"),
    "two of them": (
        lambda f: shutil.copy(f / "laion.pt", f / "second.pt"),
        "MODEL_MISSING",
        "clap",
        "2 checkpoints",
    ),
}
CASES = {
    f"{kind}: {case}": (kind, *broken)
    for kind, table in {"clamp3": CLAMP3, "clap": CLAP, "laion": LAION}.items()
    for case, broken in table.items()
}


@pytest.mark.parametrize("case", CASES)
def test_one_clear_line_and_no_trace(
    case: str, whole: Path, sound: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind, change, reason, file, words = CASES[case]
    encoder = "clap" if kind == "laion" else kind
    data = tmp_path / "data"
    folder = data / "models" / encoder
    shutil.copytree(whole / kind, folder)
    shutil.copytree(whole, folder.parent / "others")
    write_five(folder.parent / "others" / "five.json")
    change(folder)
    before = tree(data)
    monkeypatch.setenv("SEGUE_ENCODERS", encoder)
    done = Segue("--data", data, settings={})("index", sound, "--workers", 1, "--json")
    assert (done.code, done.error["reason"]) == (5, reason), done.err
    assert file in done.error["message"], done.err
    assert words in done.error["message"], done.err
    assert done.out == ""
    assert len(done.err.splitlines()) == 1
    assert tree(data) == before
    assert not proof(folder).exists()


def test_the_proof_of_obedience_would_be_seen(tmp_path: Path) -> None:
    """Else the tests above would prove nothing."""
    folder = tmp_path / "folder"
    folder.mkdir()
    plant("x.pt", "x")(folder)
    with pytest.raises(UnpicklingError):
        torch.load(folder / "x.pt", weights_only=True)
    assert not proof(folder).exists()
    torch.load(folder / "x.pt", weights_only=False)
    assert proof(folder).exists()


def write_five(path: Path) -> None:
    """What an offline machine may be given for a tokenizer: special tokens alone."""
    from tokenizers import Tokenizer, models

    names = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")
    vocabulary = {token: number for number, token in enumerate(names)}
    Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>")).save(str(path))  # noqa: S106


def tree(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def test_a_digest_of_the_settings_is_held(
    whole: Path, sound: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEGUE_ENCODERS", "clamp3")
    monkeypatch.setenv("SEGUE_CLAMP3_WEIGHTS", str(whole / "clamp3"))
    monkeypatch.setenv("SEGUE_CLAMP3_SHA256", "0" * 64)
    done = Segue("--data", tmp_path / "data", settings={})("index", sound, "--json")
    assert (done.code, done.error["reason"]) == (5, "MODEL_INVALID")
    assert SAAS in done.error["message"]
    assert not (tmp_path / "data").exists()
