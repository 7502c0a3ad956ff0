"""The same commands through a service."""

from __future__ import annotations

import json
import shutil
import subprocess

import pytest

from retrieval.cli.child_service import ChildService
from tests.cli.conftest import TITLES, Segue
from tests.signals import encode, song


def test_every_query_command(served):
    music, remote = served
    assert next(h["title"] for h in remote.json("search", "blue moon")["hits"]) == "Blue Moon"
    answer = remote.json("search", "--audio", music.path(2), "--segments", 1)
    assert answer["hits"][0]["title"] == "Green Fields"
    assert len(answer["hits"][0]["segments"]) == 1
    similar = remote.json("similar", "Red River", "--filter", 'genre = "jazz"')
    assert {h["title"] for h in similar["hits"]} == {"Blue Moon", "Grey Day"}
    ten = json.dumps([0] * 10)
    assert len(remote.json("search", "--vector", ten, "--dims", "VA")["hits"]) == len(TITLES)
    track = answer["hits"][0]["track"]
    both = remote.json("search", "blue", "--track", f"{track}@0-10", "-k", 2)
    assert len(both["hits"]) == 2


def test_answers_are_those_of_the_library_itself(served, run):
    """The fixtures index the same sounds, so paths alone differ."""
    music, remote = served

    def shown(answer):
        return [(h["track"], h["title"], pytest.approx(h["score"], abs=1e-5)) for h in answer]

    args = ("search", "blue", "--audio", music.path(4))
    assert shown(remote.json(*args)["hits"]) == shown(run.json(*args)["hits"])


def test_management(served):
    _, remote = served
    assert remote.json("tracks", "count", "--filter", "bpm > 120")["count"] == 2
    assert remote.json("tracks", "count", "--filter", "bpm ~ 45..60 and bpm <= 120")["count"] == 4
    assert len(remote("tracks", "list", "--all").rows) == len(TITLES)
    assert remote("tracks", "facets", "artist", "-k", 1).rows == [["Ada", "3"]]
    assert remote.json("tracks", "show", "Black Dog")["tracks"][0]["artist"] == "Ben"
    assert [s["encoder"] for s in remote.json("spaces")["spaces"]] == [True, True]


def test_index_adds_to_the_running_service(served, tmp_path):
    _, remote = served
    (tmp_path / "new.wav").write_bytes(encode(song(77, 1.2)))
    report = remote.json("index", tmp_path / "new.wav", "--workers", 1)
    assert report["indexed"] == 1
    [hit] = remote.json("search", "--audio", tmp_path / "new.wav", "-k", 1)["hits"]
    assert hit["paths"] == [str(tmp_path / "new.wav")]
    assert remote.json("index", tmp_path / "new.wav", "--workers", 1)["unchanged"] == 1
    assert remote.json("spaces", "--refit", "perceptual")["spaces"][1]["statistics"]["count"] == 7
    assert remote.json("tracks", "delete", hit["track"])["deleted"] == 1


@pytest.mark.parametrize(
    ("args", "code", "reason"),
    [
        (("search", "blue", "--space", "clap"), 5, "SPACE_UNAVAILABLE"),
        (("search", "--vector", "[1]"), 2, "INVALID_VECTOR"),
        (("search", "blue", "--filter", "colour = 1"), 2, "INVALID_FILTER"),
        (("search", "--track", "nobody"), 4, "TRACK_NOT_FOUND"),
        (("search", "--audio", __file__), 2, "AUDIO_UNSUPPORTED"),
    ],
)
def test_errors_are_the_same(served, args, code, reason):
    _, remote = served
    result = remote(*args, "--json")
    assert (result.code, result.error["reason"]) == (code, reason)


def test_the_library_is_locked_meanwhile(served):
    music, _ = served
    result = Segue("--data", music.data)("search", "blue", "--json")
    assert (result.code, result.error["reason"]) == (6, "STORE_LOCKED")
    assert "--address" in result.error["message"]


def test_nobody_there():
    result = Segue("--address", "127.0.0.1:1")("search", "blue", "--json")
    assert result.code == 6
    assert "127.0.0.1:1" in result.error["message"]


def test_token(tmp_path, monkeypatch):
    with ChildService(tmp_path, "music", {"SEGUE_TOKEN": "s3cret"}) as service:
        remote = Segue("--address", service.address)
        assert remote("tracks", "count").code == 8
        monkeypatch.setenv("SEGUE_TOKEN", "wrong")
        assert remote("tracks", "count").code == 8
        monkeypatch.setenv("SEGUE_TOKEN", "s3cret")
        result = remote("tracks", "count", "--json")
        assert (result.code, result.error["reason"]) == (5, "LIBRARY_MISSING")
        assert "s3cret" not in "".join(service.log)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the openssl command")
def test_tls(tmp_path):
    made = ("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost")
    names = ("-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1")
    files = ("-keyout", "k.pem", "-out", "c.pem")
    subprocess.run(
        ["openssl", *made, *names, *files], cwd=tmp_path, check=True, capture_output=True
    )
    keys = {
        "SEGUE_TLS_CERTIFICATE": str(tmp_path / "c.pem"),
        "SEGUE_TLS_KEY": str(tmp_path / "k.pem"),
    }
    with ChildService(tmp_path / "data", "music", keys) as service:
        remote = Segue("--address", service.address)
        result = remote("tracks", "count", "--tls-ca", tmp_path / "c.pem", "--json")
        assert (result.code, result.error["reason"]) == (5, "LIBRARY_MISSING")
        assert remote("tracks", "count").code == 6


def test_serve_refuses_half_of_tls(tmp_path):
    key = tmp_path / "k.pem"
    key.write_text("x")
    run = Segue("--data", tmp_path)
    assert run("serve", "--tls-key", key).code == 2
    assert run("serve", "--tls-client-ca", key).code == 2
    assert Segue("--address", "h:1")("serve").code == 2
    assert "token" not in run("serve", "--help").out.split("Options:")[1].lower()
