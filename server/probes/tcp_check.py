"""TCP checks: connect, and optionally negotiate TLS, send a text and expect an answer."""

from __future__ import annotations

import re
import ssl
import time

import httpcore

from novaql.server.egress.dialer import Dialer
from novaql.server.probes.assertions import Answer, compiled, evaluate
from novaql.server.probes.connection import Connection, Measured, connect
from novaql.server.probes.deadline import Deadline, ProbeFailure
from novaql.server.probes.masking import filled
from novaql.server.probes.result import Outcome
from novaql.server.probes.spec import ProbeSpec

_SEARCHED_IN_S = 50e6
_TARGET = re.compile(r"(?:tcp://)?(\[[^\]/@]+\]|[^\s:/?#@\[\]]+):([0-9]{1,5})", re.ASCII)


def endpoint_of(target: str) -> tuple[str, int]:
    """Return the host and the port of `HOST:PORT`. Raises `ValueError`."""
    found = _TARGET.fullmatch(target)
    if found is None or not 1 <= int(found[2]) <= 65535:
        raise ValueError("the target of a TCP check is HOST:PORT")
    return found[1].strip("[]"), int(found[2])


def check_tcp(
    spec: ProbeSpec, dialer: Dialer, deadline: Deadline, tls: ssl.SSLContext, measured: Measured
) -> Outcome:
    """Run one attempt of a TCP check. Raises as `check_http`."""
    began = time.perf_counter()
    host, port = endpoint_of(spec.target)
    exchange = spec.exchange
    secure, most = tls if exchange.tls else None, spec.max_body_bytes
    connection = connect(dialer, host, port, deadline, measured, secure, most)
    received = b""
    try:
        with measured.phase("processing"):
            if exchange.send:
                connection.write(filled(exchange.send, spec.secrets).encode())
            if exchange.expect is not None:
                received = _until(exchange.expect, connection, deadline)
    except (httpcore.NetworkError, OSError):
        raise ProbeFailure("connection_lost", "the connection ended before the answer") from None
    finally:
        connection.close()
    expires = measured.certificate_expires_s
    answer = Answer(
        body=received,
        latency_s=time.perf_counter() - began,
        certificate_left_s=None if expires is None else expires - time.time(),
        addresses=measured.addresses,
    )
    results = evaluate(spec.assertions, answer, spec.secrets.values())
    bad = next((one for one in results if not one.ok), None)
    return tcp_outcome(measured).model_copy(
        update={
            "status": "success" if bad is None else "failure",
            "failure_reason": None if bad is None else f"assertion_{bad.source}",
            "detail": "" if bad is None else bad.detail,
            "assertions": results,
            "body_bytes": len(received),
        }
    )


def tcp_outcome(measured: Measured) -> Outcome:
    """Return the facts of a run that fails for a reason that the caller adds."""
    return Outcome(
        status="failure",
        address=measured.address,
        phases={str(name): took for name, took in measured.phases.items()},
        tls_version=measured.tls_version,
        certificate_expires_s=measured.certificate_expires_s,
    )


def _until(pattern: str, connection: Connection, deadline: Deadline) -> bytes:
    """Read until the answer matches. Raises `ProbeFailure`."""
    wanted, received = compiled(pattern), b""
    while wanted.search(received.decode("utf-8", "replace")) is None:
        # A long answer in small packets is not searched after each of them.
        deadline.cancelled.wait(len(received) / _SEARCHED_IN_S)
        try:
            part = connection.read(65_536)
        except ProbeFailure as problem:
            if problem.reason == "timeout" and received:
                raise ProbeFailure("expect", "the answer does not match in time") from None
            raise
        if not part:
            raise ProbeFailure("expect", "the connection ended before the answer matched")
        received += part
    return received
