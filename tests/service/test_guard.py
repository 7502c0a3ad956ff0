"""Errors on the wire: every kind keeps code, reason and metadata; defects show nothing."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from hypothesis import given
from hypothesis import strategies as st

from retrieval.api import errors as codec
from retrieval.api.v1 import search_pb2, search_pb2_grpc
from retrieval.client import Client
from retrieval.core import errors
from retrieval.core.queries import SearchRequest, TextQuery, WeightedQuery
from retrieval.search import LocalLibrary
from retrieval.service.logs import make_logger
from tests.service.running import Running, settings

CLASSES = [
    errors.InvalidInputError,
    errors.AudioError,
    errors.NotFoundError,
    errors.PreconditionError,
    errors.StoreError,
    errors.BusyError,
    errors.DeadlineError,
    errors.CancelledError,
    errors.AuthenticationError,
    errors.InternalError,
]
SEARCH = SearchRequest((WeightedQuery(TextQuery("the secret query")),))


@given(
    st.sampled_from(CLASSES),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=80),
    st.dictionaries(st.sampled_from(["field", "space", "limit"]), st.text("abc", max_size=9)),
)
def test_errors_round_trip(cls: type[errors.SegueError], message: str, metadata: Any) -> None:
    error = cls(message, metadata=metadata)
    back = codec.decode_error(codec.encode_error(error))
    assert back is not None
    assert (type(back), back.message, back.reason, back.metadata) == (
        cls,
        message,
        error.reason,
        metadata,
    )


def test_every_kind_has_a_code_and_a_status_stays_small() -> None:
    assert set(codec.CODES) == set(errors.ErrorKind)
    huge = errors.PreconditionError(
        "\N{CJK UNIFIED IDEOGRAPH-97F3}" * 50_000,
        metadata={f"key{i}": "x" * 5_000 for i in range(50)},
    )
    status = codec.encode_error(huge)
    assert 3 * len(status.message.encode()) + 4 * status.ByteSize() / 3 < 8 * 1024


class Failing:
    """Raises what it is told to raise."""

    def __init__(self, library: LocalLibrary) -> None:
        self._library = library
        self.error: BaseException = RuntimeError()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._library, name)

    def search(self, request: SearchRequest, **_: Any) -> Any:
        raise self.error

    def close(self) -> None:
        pass


@pytest.fixture(scope="module")
def failing(local: LocalLibrary) -> Failing:
    return Failing(local)


@pytest.fixture(scope="module")
def broken(folder: Path, failing: Failing) -> Any:
    with Running(settings(folder), lambda: failing) as running:
        yield running


@pytest.mark.parametrize("cls", CLASSES)
def test_a_client_raises_what_the_library_raised(
    cls: type[errors.SegueError], broken: Running, failing: Failing
) -> None:
    failing.error = cls("what went wrong", metadata={"field": "queries[0]"})
    with Client(broken.address) as client, pytest.raises(cls) as caught:
        client.search(SEARCH)
    assert type(caught.value) is cls
    assert caught.value.message == "what went wrong"
    assert caught.value.reason == cls.default_reason
    assert caught.value.metadata == {"field": "queries[0]"}


@pytest.mark.parametrize(
    "error", [RuntimeError("/home/secret"), KeyError("secret"), MemoryError("secret")]
)
def test_defects_show_an_id_and_the_log_has_the_rest(
    error: Exception, broken: Running, failing: Failing
) -> None:
    failing.error = error
    with grpc.insecure_channel(broken.address) as channel:
        stub = search_pb2_grpc.SearchServiceStub(channel)
        with pytest.raises(grpc.RpcError) as caught:
            request = search_pb2.SearchRequest(queries=[{"text": "the secret query"}])
            stub.Search(request, metadata=[("x-request-id", "abc-123")])
    assert caught.value.code() is grpc.StatusCode.INTERNAL
    trailers = dict(caught.value.trailing_metadata())
    assert trailers["x-request-id"] == "abc-123"
    seen = f"{caught.value.details()} {trailers}"
    assert "abc-123" in seen
    assert "secret" not in seen
    assert "Traceback" not in seen
    lines = [json.loads(line) for line in broken.log.getvalue().splitlines()]
    defect = [line for line in lines if line.get("request_id") == "abc-123"]
    assert any("Traceback" in line.get("exception", "") for line in defect)
    assert not any("secret query" in json.dumps(line) for line in lines)


def test_details_name_the_field_and_the_pause(running: Running) -> None:
    with grpc.insecure_channel(running.address) as channel:
        stub = search_pb2_grpc.SearchServiceStub(channel)
        with pytest.raises(grpc.RpcError) as caught:
            stub.Search(search_pb2.SearchRequest(queries=[{"text": "a"}, {"track": "b"}]))
    status = rpc_status.from_call(caught.value)
    details = {detail.TypeName(): detail for detail in status.details}
    info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    assert details["google.rpc.ErrorInfo"].Unpack(info)
    assert details["google.rpc.BadRequest"].Unpack(bad)
    assert (info.reason, info.domain) == ("INVALID_REQUEST", "segue")
    assert bad.field_violations[0].field == "queries[1].track"

    busy = errors.BusyError("full", metadata={codec.RETRY_AFTER: "1.5"})
    names = [detail.TypeName() for detail in codec.encode_error(busy).details]
    assert "google.rpc.RetryInfo" in names


def test_logs_are_one_line_a_call_without_queries_or_forged_lines(running: Running) -> None:
    with grpc.insecure_channel(running.address) as channel:
        stub = search_pb2_grpc.SearchServiceStub(channel)
        request = search_pb2.SearchRequest(queries=[{"text": "unspeakable words"}])
        stub.Search(request, metadata=[("x-request-id", "bad id"), ("authorization", "Bearer zzz")])
    text = running.log.getvalue()
    assert "unspeakable" not in text
    assert "zzz" not in text
    assert "bad id" not in text
    calls = [json.loads(line) for line in text.splitlines()]
    last = [line for line in calls if line["event"] == "call"][-1]
    assert last["method"] == "SearchService/Search"
    assert (last["code"], last["reason"]) == ("OK", "")
    assert last["ms"] > 0


def test_log_values_cannot_forge_or_hide_lines() -> None:
    stream = io.StringIO()
    make_logger("info", stream).info("x", value="a\n{}\x1b[2K\u202eb\u2028c", long="y" * 9_999)
    (line,) = stream.getvalue().splitlines()
    event = json.loads(line)
    assert event["value"] == "a\ufffd{}\ufffd[2K\ufffdb\ufffdc"
    assert len(event["long"]) < 1_000
    make_logger("error", stream).info("y")
    assert len(stream.getvalue().splitlines()) == 1
