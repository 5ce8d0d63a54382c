"""Which encoding an answer gets, and that it reads back."""

from __future__ import annotations

import cramjam
import pytest

from novaql.server.http.compression import accepted_encoding
from tests.server.conftest import NOW_S
from tests.support.servers.http_server import LocalServer


@pytest.mark.parametrize(
    ("accept", "encoding"),
    [
        ("", None),
        ("identity", None),
        ("br", None),
        ("gzip", "gzip"),
        ("gzip, deflate, br, zstd", "zstd"),
        ("gzip;q=1.0, zstd;q=0.5", "gzip"),
        ("zstd;q=0, gzip;q=0", None),
        ("GZIP;q=0.1", "gzip"),
        ("gzip;q=nonsense", None),
    ],
)
def test_the_encoding_the_client_likes_best(accept: str, encoding: str | None) -> None:
    assert encoding == accepted_encoding(accept)


def test_zstd_reads_back(server: LocalServer) -> None:
    query: dict[str, str | int] = {"query": "up", "start": NOW_S - 600, "end": NOW_S, "step": 1}
    url = "/prometheus/api/v1/query_range"

    def raw(encoding: str) -> tuple[str | None, bytes]:
        headers = server.bearer() | {"Accept-Encoding": encoding}
        with server.client.stream("GET", url, params=query, headers=headers) as answer:
            return answer.headers.get("content-encoding"), b"".join(answer.iter_raw())

    plain, packed = raw("identity"), raw("zstd")

    assert plain[0] is None
    assert packed[0] == "zstd"
    assert bytes(cramjam.zstd.decompress(packed[1])) == plain[1]


def test_small_answers_stay_as_they_are(server: LocalServer) -> None:
    answer = server.client.get("/healthz", headers={"Accept-Encoding": "gzip"})

    assert "content-encoding" not in answer.headers
    assert "accept-encoding" in answer.headers["vary"].lower()
