"""Downloads from a hub on this machine: whole, cut short, tampered with, and refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from retrieval.core.errors import (
    AuthenticationError,
    BusyError,
    HubError,
    InvalidInputError,
    NotFoundError,
    PreconditionError,
    SegueError,
)
from retrieval.encoders import weights_lock
from retrieval.encoders.clamp3 import Clamp3Encoder
from retrieval.encoders.clap import ClapEncoder
from retrieval.encoders.weights_catalogue import Weights, find
from retrieval.encoders.weights_download import download
from retrieval.encoders.weights_folder import State, held, state_of
from retrieval.encoders.weights_hub import HubSource
from retrieval.encoders.weights_lock import LOCK, PART, alone_in, read_lock
from retrieval.encoders.weights_source import FolderSource
from tests.models.hub import COMMIT, Hub

LARGE = "model.safetensors"
KEY = f"laion/larger_clap_music_and_speech/{LARGE}"


def quiet(name: str, done: int, total: int | None) -> None:
    assert total is None or 0 <= done <= total, name


def fetch(name: str, folder: Path) -> tuple[bool, ...]:
    return tuple(one.new for one in download(find(name), folder, HubSource(), quiet))


def left(folder: Path) -> set[str]:
    """Everything in a folder but what only serves to keep others out."""
    found = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}
    return found - {weights_lock.GUARD}


def test_a_download_makes_a_working_folder(hub: Hub, tmp_path: Path) -> None:
    weights = find("clamp3")
    assert state_of(weights, tmp_path)[0] is State.MISSING
    assert fetch("clamp3", tmp_path) == (True,) * 4
    assert left(tmp_path) == {LOCK, *(file.name for file in weights.files)}
    assert state_of(weights, tmp_path)[0] is State.READY
    assert Clamp3Encoder(tmp_path, device="cpu").space.dim == 64
    asked = len(hub.asked)
    assert fetch("clamp3", tmp_path) == (False,) * 4
    assert len(hub.asked) == asked


def test_only_what_is_needed_is_asked_for(hub: Hub, tmp_path: Path) -> None:
    hub.files["laion/larger_clap_music_and_speech/pytorch_model.bin"] = b"x" * 5_000
    fetch("clap", tmp_path)
    assert {path.rsplit("/", 1)[-1] for _, path, _ in hub.asked} == {
        *("config.json", "tokenizer.json", LARGE)
    }
    assert ClapEncoder(tmp_path, device="cpu").space.dim == 48


def test_the_token_stays_with_the_hub(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    fetch("clap", tmp_path)
    stored = [headers for _, path, headers in hub.asked if path.startswith("/cdn/")]
    asked = [headers for _, path, headers in hub.asked if not path.startswith("/cdn/")]
    assert stored
    assert not any("authorization" in {name.lower() for name in headers} for headers in stored)
    assert all(headers.get("authorization") == "Bearer hf_secret" for headers in asked)


def test_a_broken_line_goes_on_where_it_broke(hub: Hub, tmp_path: Path) -> None:
    hub.cut[KEY] = [10_000]
    fetch("clap", tmp_path)
    ranges = [h.get("Range") for m, p, h in hub.asked if m == "GET" and p.startswith("/cdn/")]
    assert ranges[-2:] == [None, "bytes=10000-"]
    assert (tmp_path / LARGE).read_bytes() == hub.files[KEY]


def test_a_later_run_goes_on_where_an_earlier_one_stopped(hub: Hub, tmp_path: Path) -> None:
    def stop(name: str, done: int, total: int | None) -> None:
        if name == LARGE and done > 0:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        download(find("clap"), tmp_path, HubSource(), stop)
    part = tmp_path / f"{LARGE}{PART}"
    whole = hub.files[KEY]
    assert not (tmp_path / LARGE).exists()
    # However much came before Ctrl-C, let it be half.
    assert part.read_bytes() == whole[: part.stat().st_size]
    part.write_bytes(whole[: len(whole) // 2])
    assert state_of(find("clap"), tmp_path)[0] is State.PARTIAL
    hub.asked.clear()
    assert fetch("clap", tmp_path) == (False, False, True)
    (got,) = [h for m, p, h in hub.asked if m == "GET" and p.startswith("/cdn/")]
    assert got["Range"] == f"bytes={len(whole) // 2}-"
    assert (tmp_path / LARGE).read_bytes() == whole
    assert state_of(find("clap"), tmp_path)[0] is State.READY


def test_what_was_half_there_and_is_another_file_is_thrown_away(hub: Hub, tmp_path: Path) -> None:
    (tmp_path / f"{LARGE}{PART}").write_bytes(b"?" * 1_000)
    with pytest.raises(PreconditionError, match=f"{LARGE}: what came from the hub has the digest"):
        fetch("clap", tmp_path)
    assert left(tmp_path) == {LOCK, "config.json", "tokenizer.json"}
    assert fetch("clap", tmp_path) == (False, False, True)


@pytest.mark.parametrize("name", ["config.json", LARGE])
def test_another_file_than_the_pinned_one_is_refused(name: str, hub: Hub, tmp_path: Path) -> None:
    key = f"laion/larger_clap_music_and_speech/{name}"
    changed = bytearray(hub.files[key])
    changed[-1] ^= 1
    hub.files[key] = bytes(changed)
    with pytest.raises(PreconditionError) as caught:
        fetch("clap", tmp_path)
    assert caught.value.reason == "MODEL_INVALID"
    assert name in caught.value.message
    assert not (tmp_path / name).exists()
    assert not list(tmp_path.rglob(f"*{PART}"))
    if name == LARGE:
        # The hub's own digest gave it away before anything came.
        assert not any(path.startswith("/cdn/") for path in hub.gets())


def test_another_commit_than_the_pinned_one_is_refused(hub: Hub, tmp_path: Path) -> None:
    hub.commit = "f" * 40
    with pytest.raises(PreconditionError, match="another file than the one that is pinned"):
        fetch("clap", tmp_path)
    assert left(tmp_path) == set()


def test_the_first_download_pins_what_nobody_has_published(hub: Hub, tmp_path: Path) -> None:
    fetch("tiny", tmp_path)
    lock = read_lock(tmp_path)
    assert lock is not None
    assert {(f.name, f.pinned, f.commit) for f in lock.files} == {
        ("tokenizer.json", "first use", COMMIT),
        ("tiny.pt", "first use", COMMIT),
    }
    assert ClapEncoder(tmp_path, device="cpu").space.dim == 48
    # From now on nothing else will do, even if the hub vouches for it.
    hub.files["lukewys/laion_clap/tiny.pt"] += b"more"
    (tmp_path / "tiny.pt").unlink()
    with pytest.raises(PreconditionError, match="another file than the one that is pinned"):
        fetch("tiny", tmp_path)
    (tmp_path / "tiny.pt").write_bytes(hub.files["lukewys/laion_clap/tiny.pt"])
    assert state_of(find("tiny"), tmp_path)[0] is State.WRONG


def test_damage_on_the_way_is_noticed_without_a_published_digest(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = HubSource()
    honest = source.ask
    lies = {"tiny.pt": "0" * 64, "tokenizer.json": "0" * 40}

    def ask(file):  # type: ignore[no-untyped-def]
        found = honest(file)
        return type(found)(found.size, found.commit, lies[file.name])

    monkeypatch.setattr(source, "ask", ask)
    with pytest.raises(PreconditionError, match=r"tokenizer.json: what came from the hub has"):
        download(find("tiny"), tmp_path, source, quiet)
    assert left(tmp_path) == {LOCK}


ANSWERS: dict[str, tuple[tuple[int, str], type[SegueError], str]] = {
    "no such file": ((404, "EntryNotFound"), NotFoundError, "has no such file"),
    "no such commit": ((404, "RevisionNotFound"), NotFoundError, "has no such file"),
    "no such repository": ((401, "RepoNotFound"), NotFoundError, "has no such file"),
    "gated": ((403, "GatedRepo"), AuthenticationError, "set HF_TOKEN"),
    "not allowed": ((403, ""), AuthenticationError, "check the token in HF_TOKEN"),
    "out of order": ((503, ""), HubError, "answered 503"),
}


@pytest.mark.parametrize("case", ANSWERS)
def test_a_hub_that_will_not_is_explained(case: str, hub: Hub, tmp_path: Path) -> None:
    answer, kind, words = ANSWERS[case]
    hub.errors[KEY] = answer
    with pytest.raises(kind) as caught:
        fetch("clap", tmp_path)
    assert words in caught.value.message
    assert KEY in caught.value.message
    # Nothing was begun before every file was known to be there.
    assert left(tmp_path) == set()


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:9", "http://no-such-host.invalid"])
def test_a_lost_hub_is_explained(
    endpoint: str, hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", endpoint)
    with pytest.raises(HubError, match=f"{endpoint} cannot be reached .*--from DIR") as caught:
        fetch("clap", tmp_path)
    assert caught.value.reason == "HUB_UNAVAILABLE"
    assert left(tmp_path) == set()


def test_a_hub_lost_in_the_middle_leaves_what_came(hub: Hub, tmp_path: Path) -> None:
    # Redirected, and then refused: the storage is another server.
    fetch("clap", tmp_path)
    shutil.copy(tmp_path / LARGE, tmp_path / f"{LARGE}{PART}")
    (tmp_path / LARGE).unlink()
    part = tmp_path / f"{LARGE}{PART}"
    part.write_bytes(part.read_bytes()[:5_000])
    hub.errors[KEY] = (500, "")
    with pytest.raises(HubError):
        fetch("clap", tmp_path)
    assert part.stat().st_size == 5_000
    assert not (tmp_path / LARGE).exists()


def test_offline_mode_is_explained_and_its_cache_used(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(HubError, match="HF_HUB_OFFLINE is set") as caught:
        fetch("clap", tmp_path / "to")
    assert caught.value.reason == "HUB_OFFLINE"
    cache = tmp_path / "cache"
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(cache))
    for file in find("clap").files:
        snapshot = cache / "models--laion--larger_clap_music_and_speech" / "snapshots" / COMMIT
        snapshot.mkdir(parents=True, exist_ok=True)
        (snapshot / file.path).write_bytes(hub.files[f"{file.repository}/{file.path}"])
    assert fetch("clap", tmp_path / "to") == (True,) * 3
    assert hub.asked == []


def served_as(weights: Weights, hub: Hub, folder: Path, layout: str) -> None:
    for file in weights.files:
        owner, repository = file.repository.split("/")
        path = {
            "ours": folder / file.name,
            "by repository": folder / repository / file.path,
            "by owner": folder / owner / repository / file.path,
            "a cache": folder / f"models--{owner}--{repository}/snapshots/{COMMIT}" / file.path,
        }[layout]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(hub.files[f"{file.repository}/{file.path}"])


@pytest.mark.parametrize("layout", ["ours", "by repository", "by owner", "a cache"])
def test_a_folder_serves_without_a_hub(layout: str, hub: Hub, tmp_path: Path) -> None:
    weights = find("clamp3")
    served_as(weights, hub, tmp_path / "usb", layout)
    source = FolderSource(tmp_path / "usb")
    assert all(one.new for one in download(weights, tmp_path / "to", source, quiet))
    assert Clamp3Encoder(tmp_path / "to", device="cpu").space.dim == 64
    assert hub.asked == []


def test_a_folder_is_checked_like_the_hub(hub: Hub, tmp_path: Path) -> None:
    weights = find("clap")
    served_as(weights, hub, tmp_path / "usb", "ours")
    data = bytearray(hub.files[KEY])
    data[len(data) // 2] ^= 1
    (tmp_path / "usb" / LARGE).write_bytes(data)
    source = FolderSource(tmp_path / "usb")
    with pytest.raises(PreconditionError, match="what came from the folder has the digest"):
        download(weights, tmp_path / "to", source, quiet)
    assert left(tmp_path / "to") == {LOCK, "config.json", "tokenizer.json"}
    (tmp_path / "usb" / LARGE).unlink()
    with pytest.raises(PreconditionError, match=f"usb/{LARGE}: not there") as caught:
        download(weights, tmp_path / "to", source, quiet)
    assert caught.value.reason == "MODEL_MISSING"
    with pytest.raises(PreconditionError, match="no such folder"):
        FolderSource(tmp_path / "nowhere")


def test_of_several_files_of_one_name_the_right_one_is_taken(hub: Hub, tmp_path: Path) -> None:
    weights = find("clamp3")
    served_as(weights, hub, tmp_path / "usb", "by repository")
    (tmp_path / "usb" / "config.json").write_text("{}")
    (tmp_path / "usb" / "m-a-p").mkdir()
    download(weights, tmp_path / "to", FolderSource(tmp_path / "usb"), quiet)
    assert state_of(weights, tmp_path / "to")[0] is State.READY


def test_weights_do_not_mix_in_a_folder(hub: Hub, tmp_path: Path) -> None:
    fetch("clap", tmp_path)
    with pytest.raises(PreconditionError, match="larger_clap_music_and_speech is in it") as caught:
        fetch("tiny", tmp_path)
    assert caught.value.reason == "TARGET_NOT_EMPTY"
    assert state_of(find("tiny"), tmp_path)[0] is State.MISSING


def test_a_file_that_is_not_ours_is_left_alone(hub: Hub, tmp_path: Path) -> None:
    (tmp_path / LARGE).write_bytes(b"somebody's own")
    with pytest.raises(PreconditionError, match="not the published file") as caught:
        fetch("clap", tmp_path)
    assert caught.value.reason == "TARGET_NOT_EMPTY"
    assert (tmp_path / LARGE).read_bytes() == b"somebody's own"


def test_files_put_there_by_hand_count(hub: Hub, tmp_path: Path) -> None:
    served_as(find("clap"), hub, tmp_path, "ours")
    assert held(tmp_path) == "larger_clap_music_and_speech"
    assert fetch("clap", tmp_path) == (False,) * 3
    assert hub.asked == []
    served_as(find("tiny"), hub, tmp_path / "laion", "ours")
    assert fetch("tiny", tmp_path / "laion") == (False,) * 2
    assert hub.gets() == []


def test_a_file_that_the_hub_does_not_know_is_left_alone(hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "tiny.pt").write_bytes(b"somebody's own")
    with pytest.raises(PreconditionError, match=r"tiny\.pt: not the published file"):
        fetch("tiny", tmp_path)
    assert (tmp_path / "tiny.pt").read_bytes() == b"somebody's own"


def test_a_file_put_there_by_hand_and_damaged_is_the_defaults(hub: Hub, tmp_path: Path) -> None:
    served_as(find("clap"), hub, tmp_path, "ours")
    (tmp_path / LARGE).write_bytes(hub.files[KEY][:-1])
    assert held(tmp_path) is None
    assert state_of(find("clap"), tmp_path)[0] is State.WRONG
    assert state_of(find("tiny"), tmp_path)[0] is State.MISSING


def test_a_damaged_file_of_ours_is_fetched_again(hub: Hub, tmp_path: Path) -> None:
    fetch("clap", tmp_path)
    (tmp_path / LARGE).write_bytes(b"rotten")
    assert state_of(find("clap"), tmp_path)[0] is State.WRONG
    assert fetch("clap", tmp_path) == (False, False, True)
    assert (tmp_path / LARGE).read_bytes() == hub.files[KEY]


def test_what_is_refused_and_unknown(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="its text tower has collapsed"):
        fetch("larger_clap_music", tmp_path)
    with pytest.raises(InvalidInputError, match="did you mean 'clamp3'"):
        find("clamp")
    assert find("laion/larger_clap_music_and_speech") is find("clap")


def test_no_room_is_known_before_anything_comes(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=10_000))
    with pytest.raises(BusyError, match="GB are needed") as caught:
        fetch("clap", tmp_path)
    assert caught.value.reason == "DISK_FULL"
    assert left(tmp_path) == set()
    assert hub.gets() == []


def test_two_downloads_into_one_folder(hub: Hub, tmp_path: Path) -> None:
    with alone_in(tmp_path), pytest.raises(BusyError, match="another segue models command"):
        fetch("clap", tmp_path)


def test_a_folder_that_cannot_be_made(hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(PreconditionError) as caught:
        fetch("clap", tmp_path / "file" / "folder")
    assert caught.value.reason == "FOLDER_NOT_WRITABLE"


@pytest.mark.parametrize(
    "text",
    [
        "{",
        '{"weights": "clamp3", "surprise": 1}',
        '{"weights": "clamp3", "version": 2}',
        f'{{"weights": "x", "converted": [{{"name": "../y", "size": 1, "sha256": "{"0" * 64}"}}]}}',
        f'{{"weights": "x", "converted": [{{"name": "/y", "size": 1, "sha256": "{"0" * 64}"}}]}}',
    ],
)
def test_a_broken_lock_is_named(text: str, hub: Hub, tmp_path: Path) -> None:
    (tmp_path / LOCK).write_text(text)
    with pytest.raises(PreconditionError, match=f"{LOCK}: not a lock") as caught:
        fetch("clap", tmp_path)
    assert caught.value.reason == "MODEL_INVALID"
