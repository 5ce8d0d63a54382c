"""Bodies of samples that a tenant sends to do harm: another tenant's writes go on."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from novaql.server.auth.roles import Role
from tests.server.abuse.conftest import Serving
from tests.support.abuse.rig import AbuseRig, abuse_rig

pytestmark = pytest.mark.slow

HALF_SENT = 40


@contextmanager
def half_sent(rig: AbuseRig, octets: int) -> Iterator[None]:
    """A write of which so many bytes have come, and more are announced."""
    place = urlsplit(rig.server.url)
    assert place.hostname is not None
    assert place.port is not None
    with socket.create_connection((place.hostname, place.port), timeout=10) as connection:
        head = (
            "POST /api/v1/import/prometheus HTTP/1.1\r\nHost: x\r\n"
            f"Authorization: Bearer {rig.noisy[Role.OPERATOR]}\r\n"
            f"Content-Length: {octets + 1000}\r\n\r\n"
        )
        connection.sendall(head.encode() + b"#" * octets)
        yield


def test_half_sent_writes_stop_no_other_writes(tmp_path: Path, serving: Serving) -> None:
    """More of them than there are places in the queue."""
    with (
        abuse_rig(tmp_path / "data", **serving._asdict()) as rig,
        rig.watched() as noticed,
        ExitStack() as stack,
    ):
        for _ in range(HALF_SENT):
            stack.enter_context(half_sent(rig, 1000))
        before = len(noticed.write_statuses)
        while len(noticed.write_statuses) < before + 10:
            pass_the_time(rig)
    noticed.assert_unharmed()


def test_half_sent_bodies_that_fill_the_budget_give_way(tmp_path: Path, serving: Serving) -> None:
    with (
        abuse_rig(
            tmp_path / "data",
            **serving._asdict(),
            write_memory_bytes=str(4 << 20),
            max_write_bytes=str(1 << 20),
        ) as rig,
        rig.watched() as noticed,
        ExitStack() as stack,
    ):
        for _ in range(8):
            stack.enter_context(half_sent(rig, (1 << 19) - 2000))
        before = len(noticed.write_statuses)
        while len(noticed.write_statuses) < before + 10:
            pass_the_time(rig)
    noticed.assert_unharmed()


def pass_the_time(rig: AbuseRig) -> None:
    """A request that answers when the server does."""
    with rig.client() as client:
        client.get("/healthz")
