"""The client by itself: light to import, clear when nothing answers, patient where that is safe."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from retrieval.api.v1 import library_pb2
from retrieval.client import Client, calls
from retrieval.client.channel import options
from retrieval.core.errors import InternalError, InvalidInputError, StoreError
from retrieval.core.filters import Equals
from retrieval.core.queries import SearchRequest, TextQuery, VectorQuery, WeightedQuery
from retrieval.core.tracks import TrackRecord


def test_importing_the_client_loads_no_engine_model_or_decoder() -> None:
    code = """
import sys
from retrieval.client import AsyncClient, Client
heavy = {"torch", "transformers", "qdrant_client", "qdrant_edge", "av", "soundfile", "soxr"}
print(sorted(heavy & set(sys.modules)), "retrieval.search" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[] False"


def test_nothing_at_the_address_is_said_with_the_address_and_advice() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    with Client(address) as client, pytest.raises(StoreError) as caught:
        client.count_tracks()
    assert caught.value.reason == "SERVICE_UNAVAILABLE"
    assert caught.value.metadata == {"address": address}
    assert address in caught.value.message
    assert "segue serve" in caught.value.message


def test_a_closed_client_says_so() -> None:
    client = Client("127.0.0.1:1")
    client.close()
    with pytest.raises(StoreError, match="closed"):
        client.count_tracks()


@pytest.mark.parametrize(
    "request_",
    [
        SearchRequest((WeightedQuery(TextQuery("\udcff")),)),
        SearchRequest((WeightedQuery(VectorQuery((1.0,), "")),)),
        SearchRequest((WeightedQuery(TextQuery("x"), spaces=("\udcff",)),)),
        SearchRequest((WeightedQuery(TextQuery("x")),), filter=Equals("\udcff", 1)),
    ],
)
def test_what_cannot_be_sent_is_refused_here(request_: SearchRequest) -> None:
    with Client("127.0.0.1:1") as client, pytest.raises(InvalidInputError):
        client.search(request_)


def test_paths_that_are_no_unicode_are_refused_by_name() -> None:
    record = TrackRecord("a", {"paths": ("/music/\udce9.flac",)}, {})
    with Client("127.0.0.1:1") as client, pytest.raises(InvalidInputError, match="paths"):
        client.write([record])


def test_missing_tls_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"nothing\.pem"):
        Client("127.0.0.1:1", tls_ca=tmp_path / "nothing.pem")
    with pytest.raises(InvalidInputError, match="go together"):
        Client("127.0.0.1:1", tls_key=tmp_path / "key.pem")


def test_only_reads_are_tried_again() -> None:
    config = json.loads(dict(options(None))["grpc.service_config"])
    (retried,) = config["methodConfig"]
    names = {name["method"] for name in retried["name"]}
    assert {"Search", "Recommend", "ListTracks", "GetTrack", "SearchAudio"} <= names
    assert not names & {"WriteTracks", "UpdateTracks", "DeleteTrack", "DeclareSpaces", "RefitSpace"}
    assert retried["retryPolicy"]["retryableStatusCodes"] == ["UNAVAILABLE"]


def test_an_answer_from_another_version_is_not_the_callers_fault() -> None:
    answer = library_pb2.ListEmbeddingSpacesResponse(spaces=[{"space": {"distance": 99}}])
    with pytest.raises(InternalError, match="another version"):
        calls.meaning(calls.spaces(), answer, "somewhere:1")
