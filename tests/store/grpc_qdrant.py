"""qdrant-client's in-memory engine behind a real gRPC port, speaking Qdrant's own protocol.

A server binary is nowhere to be had from a package index; this at least sends everything the
server store says, and everything it hears, through the wire format. It keeps no payload indexes,
only notes which were asked for.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import grpc as transport
from qdrant_client import QdrantClient
from qdrant_client import grpc as q
from qdrant_client.conversions.conversion import GrpcToRest, RestToGrpc
from qdrant_client.grpc import (
    collections_service_pb2_grpc,
    points_service_pb2_grpc,
    qdrant_pb2_grpc,
)
from qdrant_client.http import models


class Engine:
    """What the three services share.

    Attributes:
        version: What the server says it is.
        key: The API key it wants, or None.
        indexes: Payload indexes that were asked for, as (collection, path, type).
        calls: Names of the methods called, in order.
        failing: Answer this many calls with UNAVAILABLE first.
    """

    def __init__(self, version="1.20.0", key=None):
        self.client = QdrantClient(":memory:")
        self.version = version
        self.key = key
        self.indexes = set()
        self.calls = []
        self.failing = 0
        self._turn = threading.Lock()
        self._server = transport.server(ThreadPoolExecutor(4), options=[("grpc.so_reuseport", 0)])
        collections_service_pb2_grpc.add_CollectionsServicer_to_server(
            _guarded(Collections, self), self._server
        )
        points_service_pb2_grpc.add_PointsServicer_to_server(_guarded(Points, self), self._server)
        qdrant_pb2_grpc.add_QdrantServicer_to_server(_guarded(Root, self), self._server)
        self.port = self._server.add_insecure_port("127.0.0.1:0")
        self._server.start()

    def answer(self, name, method, request, context):
        with self._turn:
            self.calls.append(name)
            sent = dict(context.invocation_metadata())
            if self.key is not None and sent.get("api-key") != self.key:
                context.abort(transport.StatusCode.UNAUTHENTICATED, "Must provide an API key")
            if self.failing:
                self.failing -= 1
                context.abort(transport.StatusCode.UNAVAILABLE, "starting")
            try:
                return method(request, self)
            except ValueError as error:
                missing = "not found" in str(error)
                code = transport.StatusCode
                context.abort(code.NOT_FOUND if missing else code.INVALID_ARGUMENT, str(error))

    def close(self):
        self._server.stop(None).wait()
        self.client.close()


def _guarded(service, engine):
    guarded = service()
    for name in vars(service):
        if name[0].isupper():
            method = getattr(guarded, name)

            def call(request, context, name=name, method=method):
                return engine.answer(name, method, request, context)

            setattr(guarded, name, call)
    return guarded


class Root(qdrant_pb2_grpc.QdrantServicer):
    def HealthCheck(self, request, engine):  # noqa: N802
        return q.HealthCheckReply(title="qdrant - vector search engine", version=engine.version)


class Collections(collections_service_pb2_grpc.CollectionsServicer):
    def Get(self, request, engine):  # noqa: N802
        info = engine.client.get_collection(request.collection_name)
        return q.GetCollectionInfoResponse(result=RestToGrpc.convert_collection_info(info))

    def CollectionExists(self, request, engine):  # noqa: N802
        exists = engine.client.collection_exists(request.collection_name)
        return q.CollectionExistsResponse(result=q.CollectionExists(exists=exists))

    def Create(self, request, engine):  # noqa: N802
        done = engine.client.create_collection(
            request.collection_name,
            vectors_config=GrpcToRest.convert_vectors_config(request.vectors_config),
            sparse_vectors_config=GrpcToRest.convert_sparse_vector_config(
                request.sparse_vectors_config
            ),
        )
        return q.CollectionOperationResponse(result=done)

    def Update(self, request, engine):  # noqa: N802
        engine.client.update_collection(
            request.collection_name,
            vectors_config=GrpcToRest.convert_vectors_config_diff(request.vectors_config)
            if request.HasField("vectors_config")
            else None,
            metadata=GrpcToRest.convert_payload(request.metadata) or None,
        )
        return q.CollectionOperationResponse(result=True)

    def Delete(self, request, engine):  # noqa: N802
        done = engine.client.delete_collection(request.collection_name)
        return q.CollectionOperationResponse(result=done)

    def UpdateAliases(self, request, engine):  # noqa: N802
        done = engine.client.update_collection_aliases(
            [GrpcToRest.convert_alias_operations(action) for action in request.actions]
        )
        return q.CollectionOperationResponse(result=done)

    def ListAliases(self, request, engine):  # noqa: N802
        aliases = engine.client.get_aliases().aliases
        return q.ListAliasesResponse(
            aliases=[RestToGrpc.convert_alias_description(alias) for alias in aliases]
        )


def _done():
    done = models.UpdateResult(operation_id=1, status=models.UpdateStatus.COMPLETED)
    return RestToGrpc.convert_update_result(done)


def _filter(request, name):
    given = getattr(request, name)
    return GrpcToRest.convert_filter(given) if request.HasField(name) else None


def _vectors(request):
    return GrpcToRest.convert_with_vectors_selector(request.with_vectors)


def _payload(request):
    return GrpcToRest.convert_with_payload_selector(request.with_payload)


class Points(points_service_pb2_grpc.PointsServicer):
    def Upsert(self, request, engine):  # noqa: N802
        assert request.wait
        points = [GrpcToRest.convert_point_struct(point) for point in request.points]
        engine.client.upsert(request.collection_name, points)
        return q.PointsOperationResponse(result=_done())

    def Delete(self, request, engine):  # noqa: N802
        assert request.wait
        engine.client.delete(
            request.collection_name, GrpcToRest.convert_points_selector(request.points)
        )
        return q.PointsOperationResponse(result=_done())

    def UpdateBatch(self, request, engine):  # noqa: N802
        assert request.wait
        operations = [GrpcToRest.convert_points_update_operation(o) for o in request.operations]
        engine.client.batch_update_points(request.collection_name, operations)
        return q.UpdateBatchResponse(result=[_done() for _ in operations])

    def Get(self, request, engine):  # noqa: N802
        found = engine.client.retrieve(
            request.collection_name,
            [GrpcToRest.convert_point_id(point) for point in request.ids],
            with_payload=_payload(request),
            with_vectors=_vectors(request),
        )
        return q.GetResponse(result=[RestToGrpc.convert_record(record) for record in found])

    def Scroll(self, request, engine):  # noqa: N802
        has_offset = request.HasField("offset")
        found, offset = engine.client.scroll(
            request.collection_name,
            scroll_filter=_filter(request, "filter"),
            limit=request.limit,
            offset=GrpcToRest.convert_point_id(request.offset) if has_offset else None,
            with_payload=_payload(request),
            with_vectors=_vectors(request),
        )
        return q.ScrollResponse(
            result=[RestToGrpc.convert_record(record) for record in found],
            next_page_offset=None
            if offset is None
            else RestToGrpc.convert_extended_point_id(offset),
        )

    def Count(self, request, engine):  # noqa: N802
        assert request.exact
        found = engine.client.count(request.collection_name, _filter(request, "filter"))
        return q.CountResponse(result=RestToGrpc.convert_count_result(found))

    def Facet(self, request, engine):  # noqa: N802
        assert request.exact
        found = engine.client.facet(
            request.collection_name,
            request.key,
            facet_filter=_filter(request, "filter"),
            limit=request.limit,
        )
        return q.FacetResponse(hits=[RestToGrpc.convert_facet_value_hit(h) for h in found.hits])

    def QueryBatch(self, request, engine):  # noqa: N802
        results = []
        for each in request.query_points:
            asked = GrpcToRest.convert_query_points(each)
            kept = models.SearchParams(idf=asked.params.idf) if asked.params else None
            asked = asked.model_copy(update={"params": kept})
            (found,) = engine.client.query_batch_points(request.collection_name, [asked])
            points = [RestToGrpc.convert_scored_point(point) for point in found.points]
            results.append(q.BatchResult(result=points))
        return q.QueryBatchResponse(result=results)

    def CreateFieldIndex(self, request, engine):  # noqa: N802
        assert request.wait
        kind = q.FieldType.Name(request.field_type)
        engine.indexes.add((request.collection_name, request.field_name, kind))
        return q.PointsOperationResponse(result=_done())

    def CreateVectorName(self, request, engine):  # noqa: N802
        if request.HasField("dense_config"):
            given = request.dense_config
            config = models.DenseVectorNameConfig(
                dense=models.DenseVectorConfig(
                    size=given.size, distance=GrpcToRest.convert_distance(given.distance)
                )
            )
        else:
            config = models.SparseVectorNameConfig(
                sparse=models.SparseVectorConfig(
                    modifier=GrpcToRest.convert_modifier(request.sparse_config.modifier)
                )
            )
        engine.client.create_vector_name(request.collection_name, request.vector_name, config)
        return q.PointsOperationResponse(result=_done())

    def DeleteVectorName(self, request, engine):  # noqa: N802
        engine.client.delete_vector_name(request.collection_name, request.vector_name)
        return q.PointsOperationResponse(result=_done())
