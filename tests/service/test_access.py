"""Tokens, TLS, mutual TLS, reflection and health."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import descriptor_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from retrieval.client import AsyncClient, Client
from retrieval.core.errors import (
    AuthenticationError,
    InvalidInputError,
    PreconditionError,
    StoreError,
)
from retrieval.search import LocalLibrary
from tests.service.running import Running, local_library, settings

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
TOKEN = "correct horse battery staple"  # noqa: S105 - of this test


class Kept:
    """A library that other tests still need once a service has closed it."""

    def __init__(self, library: LocalLibrary) -> None:
        self._library = library
        self.gone = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._library, name)

    def list_tracks(self, *args: Any, **kw: Any) -> Any:
        if self.gone:
            raise StoreError("the store is gone")
        return self._library.list_tracks(*args, **kw)

    def close(self) -> None:
        pass


def check(channel: grpc.Channel, service: str = "") -> Any:
    request = health_pb2.HealthCheckRequest(service=service)
    return health_pb2_grpc.HealthStub(channel).Check(request, timeout=10).status


def test_a_token_is_asked_of_everything_but_health(folder: Path, local: LocalLibrary) -> None:
    secured = settings(folder, token=TOKEN)
    with Running(secured, lambda: Kept(local)) as running:
        with Client(running.address, token=TOKEN) as client:
            assert client.count_tracks() == 100
        for wrong in (None, "", "x", TOKEN + "x", TOKEN[:-1]):
            with (
                Client(running.address, token=wrong) as client,
                pytest.raises(AuthenticationError) as caught,
            ):
                client.count_tracks()
            assert caught.value.reason == "UNAUTHENTICATED"

        async def ask() -> int:
            async with AsyncClient(running.address, token=TOKEN) as client:
                return await client.count_tracks()

        assert asyncio.run(ask()) == 100
        with grpc.insecure_channel(running.address) as channel:
            assert check(channel) == SERVING
            with pytest.raises(grpc.RpcError) as refused:
                list_services(channel)
            assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
        assert "battery" not in running.log.getvalue()
    with pytest.raises(InvalidInputError):
        Client("localhost:1", token="line\nbreak")  # noqa: S106 - no token at all


def list_services(channel: grpc.Channel) -> set[str]:
    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    answer = next(iter(stub.ServerReflectionInfo(iter([request]), timeout=10)))
    return {service.name for service in answer.list_services_response.service}


def test_reflection_describes_the_api(running: Running) -> None:
    with grpc.insecure_channel(running.address) as channel:
        assert list_services(channel) == {
            "retrieval.api.v1.SearchService",
            "retrieval.api.v1.LibraryService",
            "grpc.health.v1.Health",
            "grpc.reflection.v1alpha.ServerReflection",
        }
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        symbol = "retrieval.api.v1.SearchService"
        request = reflection_pb2.ServerReflectionRequest(file_containing_symbol=symbol)
        answer = next(iter(stub.ServerReflectionInfo(iter([request]), timeout=10)))
        files = [
            descriptor_pb2.FileDescriptorProto.FromString(data)
            for data in answer.file_descriptor_response.file_descriptor_proto
        ]
        assert "retrieval/api/v1/search.proto" in {file.name for file in files}


def test_health_follows_the_store(folder: Path, local: LocalLibrary) -> None:
    library = Kept(local)
    with (
        Running(settings(folder), lambda: library) as running,
        grpc.insecure_channel(running.address) as channel,
    ):
        names = ("", "retrieval.api.v1.SearchService", "retrieval.api.v1.LibraryService")
        assert [check(channel, name) for name in names] == [SERVING] * 3
        library.gone = True
        assert running.submit(running.service.readiness.probe()) is False
        assert [check(channel, name) for name in names] == [NOT_SERVING] * 3
        library.gone = False
        assert running.submit(running.service.readiness.probe()) is True
        assert check(channel) == SERVING
        with pytest.raises(grpc.RpcError) as unknown:
            check(channel, "nothing")
        assert unknown.value.code() is grpc.StatusCode.NOT_FOUND
    assert '"serving": false' in running.log.getvalue()


def test_an_empty_library_is_ready_for_writers(tmp_path: Path) -> None:
    library = local_library(tmp_path)
    with Running(settings(tmp_path), lambda: library) as running:
        with grpc.insecure_channel(running.address) as channel:
            assert check(channel) == SERVING
        with Client(running.address) as client, pytest.raises(PreconditionError) as caught:
            client.info()
        assert caught.value.reason == "LIBRARY_MISSING"


def test_a_library_that_does_not_open_fails_the_start(tmp_path: Path) -> None:
    def fail() -> Any:
        raise StoreError("locked", reason="STORE_LOCKED")

    running = Running(settings(tmp_path), fail)
    with pytest.raises(StoreError) as caught, running:
        pass
    assert caught.value.reason == "STORE_LOCKED"


def test_two_services_do_not_share_a_port(running: Running, folder: Path) -> None:
    second = Running(settings(folder), lambda: None, running.address)  # type: ignore[arg-type,return-value]
    with pytest.raises(InvalidInputError) as caught, second:
        pass
    assert caught.value.reason == "INVALID_SETTING"
    assert running.address in caught.value.message


def openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    if shutil.which("openssl") is None:
        pytest.skip("needs the openssl command")
    folder = tmp_path_factory.mktemp("certificates")
    new = ["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    for name in ("ca", "stranger"):
        subject = ["-x509", "-days", "2", "-subj", f"/CN={name}"]
        openssl(folder, *new, *subject, "-keyout", f"{name}.key", "-out", f"{name}.pem")
    for name, authority in (("server", "ca"), ("user", "ca"), ("forger", "stranger")):
        openssl(folder, *new, "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", "csr.pem")
        (folder / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
        sign = ["x509", "-req", "-in", "csr.pem", "-CA", f"{authority}.pem", "-days", "2"]
        sign += ["-CAkey", f"{authority}.key", "-CAcreateserial", "-extfile", "names"]
        openssl(folder, *sign, "-out", f"{name}.pem")
    yield folder


def test_tls(folder: Path, local: LocalLibrary, certificates: Path) -> None:
    at = certificates
    secured = settings(folder, tls_certificate=at / "server.pem", tls_key=at / "server.key")
    with Running(secured, lambda: Kept(local)) as running:
        with Client(running.address, tls_ca=at / "ca.pem") as client:
            assert client.count_tracks() == 100
        for options in ({}, {"tls": True}, {"tls_ca": at / "stranger.pem"}):
            with (
                Client(running.address, **options) as client,
                pytest.raises(StoreError) as caught,
            ):
                client.count_tracks()
            assert "TLS" in caught.value.message


def test_mutual_tls(folder: Path, local: LocalLibrary, certificates: Path) -> None:
    at = certificates
    secured = settings(
        folder,
        tls_certificate=at / "server.pem",
        tls_key=at / "server.key",
        tls_client_ca=at / "ca.pem",
    )
    with Running(secured, lambda: Kept(local)) as running:

        def count(name: str | None) -> int:
            own = {"tls_certificate": at / f"{name}.pem", "tls_key": at / f"{name}.key"}
            options = own if name else {}
            with Client(running.address, tls_ca=at / "ca.pem", **options) as client:
                return client.count_tracks()

        assert count("user") == 100
        for name in (None, "forger"):
            with pytest.raises(StoreError):
                count(name)


@pytest.mark.parametrize(
    "changes",
    [
        {"tls_key": Path("key.pem")},
        {"tls_certificate": Path("certificate.pem")},
        {"tls_client_ca": Path("ca.pem")},
        {"tls_certificate": Path("/nowhere"), "tls_key": Path("/nowhere")},
        {"tls_certificate": Path(__file__), "tls_key": Path(__file__)},
    ],
)
def test_half_configured_tls_is_refused(tmp_path: Path, changes: dict[str, Path]) -> None:
    running = Running(settings(tmp_path, **changes), lambda: None)  # type: ignore[arg-type,return-value]
    with pytest.raises(InvalidInputError) as caught, running:
        pass
    assert caught.value.reason == "INVALID_SETTING"
