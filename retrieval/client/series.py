"""Series of tracks, as calls; see ``calls``."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from retrieval.api.batches import MESSAGE_BYTES
from retrieval.api.names import track_name
from retrieval.api.series import decode_series, encode_series
from retrieval.api.v1 import library_pb2 as pb
from retrieval.client.calls import WRITE, Call, encoding
from retrieval.core.series import Series


def get_series(track_id: str, names: Collection[str]) -> Call[tuple[Series, ...]]:
    """Series of one track."""
    with encoding():
        request = pb.GetSeriesRequest(name=track_name(track_id), series=sorted(names))
    return Call("GetSeries", request, _series)


def _series(message: pb.GetSeriesResponse) -> tuple[Series, ...]:
    return tuple(decode_series(one, f"series[{i}]") for i, one in enumerate(message.series))


def write_series(
    track_id: str, series: Sequence[Series], replacing: Collection[str]
) -> list[Call[None]]:
    """Write series of one track, in as many messages as they need."""
    with encoding():
        requests = [pb.WriteSeriesRequest(name=track_name(track_id), replacing=sorted(replacing))]
        size = 0
        for one in map(encode_series, series):
            if size and size + one.ByteSize() > MESSAGE_BYTES:
                requests.append(pb.WriteSeriesRequest(name=track_name(track_id)))
                size = 0
            requests[-1].series.append(one)
            size += one.ByteSize()
    return [Call("WriteSeries", request, lambda _: None, patience=WRITE) for request in requests]
