"""``segue models`` as it is typed: answers, exit codes, licences, and the way to an index."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import pty
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from retrieval.encoders import weights_catalogue
from retrieval.encoders.weights_lock import LOCK
from tests.cli.conftest import Segue
from tests.models.hub import Hub

NAMES = ["clamp3", "larger_clap_music_and_speech", "tiny", "larger_clap_music"]


@pytest.fixture
def run(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Segue:
    for name in [name for name in os.environ if name.startswith("SEGUE_")]:
        monkeypatch.delenv(name)
    return Segue("--data", tmp_path / "data")


def test_the_list_says_what_is_here(run: Segue, tmp_path: Path) -> None:
    before = {one["name"]: one for one in run.json("models", "list")["weights"]}
    assert list(before) == NAMES
    assert {one["state"] for one in before.values()} == {"missing"}
    assert run("models", "download", "clap").code == 0
    after = {one["name"]: one for one in run.json("models", "list")["weights"]}
    assert [after[name]["state"] for name in NAMES] == ["missing", "ready", "missing", "missing"]
    assert after["tiny"]["pinned"] == "first use"
    assert after["larger_clap_music"]["refused"]
    assert after["clamp3"]["folder"] == str(tmp_path / "data" / "models" / "clamp3")
    assert after["clamp3"]["settings"] == {"SEGUE_ENCODERS": "perceptual,lexical,clamp3"}
    (unfree,) = [one for one in after["clamp3"]["licences"] if one["non_commercial"]]
    assert unfree["name"] == "CC-BY-NC-4.0"
    rows = run("models", "list").rows
    assert [row[:3] for row in rows] == [
        ["clamp3", "clamp3", "missing"],
        ["larger_clap_music_and_speech", "clap", "ready"],
        ["tiny", "clap", "missing"],
        ["larger_clap_music", "clap", "refused"],
    ]


def test_what_is_wrong_and_what_is_half_there_is_listed(run: Segue, tmp_path: Path) -> None:
    def state() -> tuple[str, list[str]]:
        one = run.json("models", "list")["weights"][1]
        return one["state"], one["problems"]

    folder = tmp_path / "data" / "models" / "clap"
    run("models", "download", "clap")
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").unlink()
    assert state() == ("partial", ["model.safetensors: not there"])
    (folder / "model.safetensors.part").write_bytes(whole[:10])
    assert state() == ("partial", ["model.safetensors: half downloaded"])
    (folder / "model.safetensors").write_bytes(whole[:10])
    assert state() == (
        "wrong",
        [f"model.safetensors: 10 bytes instead of {len(whole)}"],
    )


def test_a_licence_is_accepted_once(run: Segue, hub: Hub, tmp_path: Path) -> None:
    refused = run("models", "download", "clamp3")
    assert refused.code == 5
    assert "CC-BY-NC-4.0, not for commercial use" in refused.err
    assert "--accept-licence" in refused.err
    assert hub.asked == []
    assert not (tmp_path / "data").exists()
    told = run("models", "download", "clamp3", "--json")
    assert (told.code, told.error["reason"]) == (5, "LICENCE_NOT_ACCEPTED")
    assert told.out == ""
    # A lost hub does not make anyone say it again.
    hub.errors["sander-wood/clamp3/" + _checkpoint(hub)] = (503, "")
    assert run("models", "download", "clamp3", "--accept-licence").code == 6
    hub.errors.clear()
    assert run("models", "download", "clamp3").code == 0


def _checkpoint(hub: Hub) -> str:
    (name,) = [key.rsplit("/", 1)[1] for key in hub.files if "weights_clamp3" in key]
    return name


@pytest.mark.parametrize(("typed", "code"), [(b"n\n", 5), (b"y\n", 0)])
def test_a_licence_is_asked_for_on_a_terminal(
    typed: bytes, code: int, run: Segue, hub: Hub, tmp_path: Path
) -> None:
    # A child's catalogue would be the true one.
    script = (
        "import pickle, sys\n"
        "from retrieval.encoders import weights_catalogue\n"
        "weights_catalogue.WEIGHTS = pickle.load(open(sys.argv.pop(1), 'rb'))\n"
        "from retrieval.cli import main\n"
        "main()\n"
    )
    (tmp_path / "weights").write_bytes(pickle.dumps(weights_catalogue.WEIGHTS))
    leader, follower = pty.openpty()
    command = ["models", "download", "clamp3", "--data", str(tmp_path / "data")]
    child = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path / "weights"), *command],
        stdin=follower,
        stdout=follower,
        stderr=follower,
        env={**os.environ, "TERM": "dumb", "NO_COLOR": "1"},
    )
    os.close(follower)
    os.write(leader, typed)
    seen = b""
    while True:
        try:
            chunk = os.read(leader, 65_536)
        except OSError:
            break
        if not chunk:
            break
        seen += chunk
    os.close(leader)
    assert child.wait() == code, seen.decode()
    assert b"Do you accept that?" in seen
    assert (tmp_path / "data" / "models" / "clamp3").exists() is (code == 0)


def test_a_download_answers_in_words_and_in_json(run: Segue, tmp_path: Path) -> None:
    folder = tmp_path / "data" / "models" / "clap"
    told = run("models", "download", "tiny")
    assert told.code == 0
    assert f"tiny is ready in {folder}" in told.out
    assert "From now on held to what came this time: tokenizer.json, tiny.pt" in told.out
    assert "export SEGUE_ENCODERS=perceptual,lexical,clap" in told.out
    answer = run.json("models", "download", "tiny", "--folder", tmp_path / "elsewhere")
    assert answer["state"] == "ready"
    assert [file["new"] for file in answer["files"]] == [True, True]
    assert all(len(file["sha256"]) == 64 for file in answer["files"])
    assert answer["settings"]["SEGUE_CLAP_WEIGHTS"] == str(tmp_path / "elsewhere")


def test_from_a_folder(run: Segue, hub: Hub, tmp_path: Path) -> None:
    assert run("models", "download", "clap", "--folder", tmp_path / "usb").code == 0
    hub.asked.clear()
    answer = run.json("models", "download", "clap", "--from", tmp_path / "usb")
    assert answer["state"] == "ready"
    assert hub.asked == []
    missing = run("models", "download", "tiny", "--from", tmp_path / "usb", "--json")
    assert (missing.code, missing.error["reason"]) == (5, "TARGET_NOT_EMPTY")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["download", "larger_clap_music"], 2, "its text tower has collapsed"),
        (["download", "clampp3"], 2, "did you mean 'clamp3'"),
        (["verify", "clap"], 5, "segue models download larger_clap_music_and_speech"),
        (["convert", "clamp3"], 5, "segue models download clamp3"),
        (["download"], 2, "Missing argument"),
    ],
)
def test_what_cannot_be_is_told(run: Segue, arguments: list[str], code: int, words: str) -> None:
    done = run("models", *arguments)
    assert (done.code, words in done.err) == (code, True), done.err
    assert "Traceback" not in done.err


def test_every_way_of_losing_the_hub_has_its_exit_code(
    run: Segue, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = "laion/larger_clap_music_and_speech/model.safetensors"
    for answer, code in {
        (404, "EntryNotFound"): 4,
        (401, "RepoNotFound"): 4,
        (403, "GatedRepo"): 8,
        (500, ""): 6,
    }.items():
        hub.errors[key] = answer
        done = run("models", "download", "clap", "--json")
        assert done.code == code, done.err
        assert key in done.error["message"]
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    done = run("models", "download", "clap")
    assert (done.code, "cannot be reached" in done.err) == (6, True)


def test_verify_finds_a_single_flipped_bit(run: Segue, tmp_path: Path) -> None:
    assert run.json("models", "verify") == {"weights": []}
    run("models", "download", "clap")
    answer = run.json("models", "verify", "--load")["weights"][0]
    assert (answer["state"], answer["revision"][:5]) == ("ready", "clap-")
    path = tmp_path / "data" / "models" / "clap" / "model.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    done = run("models", "verify", "--json")
    assert (done.code, done.error["reason"]) == (5, "MODEL_INVALID")
    assert str(path) in done.error["message"]
    (wrong,) = [file for file in done.json["weights"][0]["files"] if file["state"] != "ready"]
    assert wrong["name"] == "model.safetensors"
    assert run("models", "verify", "clap").rows[2][2] == "wrong"
    assert run("models", "download", "clap").code == 0
    assert run("models", "verify", "clap").code == 0


def test_a_lock_that_was_changed_does_not_outvote_the_catalogue(run: Segue, tmp_path: Path) -> None:
    run("models", "download", "clap")
    folder = tmp_path / "data" / "models" / "clap"
    path = folder / "config.json"
    path.write_text(path.read_text() + " ")
    lock = json.loads((folder / LOCK).read_text())
    for file in lock["files"]:
        if file["name"] == "config.json":
            file["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
            file["size"] = path.stat().st_size
    (folder / LOCK).write_text(json.dumps(lock))
    assert run("models", "verify", "clap").code == 5


@pytest.mark.parametrize(
    ("setting", "folder"),
    [
        ("elsewhere", "elsewhere"),
        ("elsewhere/tiny.pt", "elsewhere"),
        # The hub's cache is not ours to fill.
        ("laion/larger_clap_general", "data/models/clap"),
    ],
)
def test_weights_go_where_the_settings_look_for_them(
    setting: str, folder: str, run: Segue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEGUE_CLAP_WEIGHTS", setting)
    answer = run.json("models", "download", "tiny")
    assert (tmp_path / folder / "tiny.pt").is_file()
    needed = answer["settings"].get("SEGUE_CLAP_WEIGHTS", setting)
    assert Path(needed).absolute() in (tmp_path / folder, tmp_path / folder / "tiny.pt")


def test_verify_does_not_claim_what_it_cannot_know(run: Segue, tmp_path: Path) -> None:
    run("models", "download", "tiny")
    folder = tmp_path / "data" / "models" / "clap"
    (folder / LOCK).unlink()
    files = run.json("models", "verify", "tiny")["weights"][0]["files"]
    assert all("no digest to compare with" in file["problem"] for file in files)
    assert run("models", "download", "tiny").code == 0
    files = run.json("models", "verify", "tiny")["weights"][0]["files"]
    assert all(file["problem"] == "" for file in files)
