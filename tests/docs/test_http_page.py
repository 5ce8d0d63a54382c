"""docs/reference/http.md says what the route table, the models and the table of errors say."""

from __future__ import annotations

import re
from collections.abc import Iterator

from novaql.server.errors import KINDS
from novaql.server.http.query import MOST_PARAMETERS
from novaql.server.process.guard import Limits
from novaql.server.query.schema import NovaqlRequest
from novaql.server.routes import ROUTES
from tests.support.repository.files import ROOT

PAGE = (ROOT / "docs/reference/http.md").read_text(encoding="utf-8")
BASE = "/prometheus/api/v1"
TAGS = {"prometheus", "query", "ingest", "health"}


def rows(heading: str) -> Iterator[list[str]]:
    """The cells of a table, by the cells of its head."""
    _, _, rest = PAGE.partition(f"| {heading} |\n")
    assert rest, heading
    for line in rest.splitlines()[1:]:
        if not line.startswith("|"):
            return
        yield [cell.strip() for cell in line.strip("|").split(" | ")]


def endpoints() -> Iterator[tuple[str, str, str]]:
    """Method, path and role of every endpoint in the first table."""
    for cell, role, *_ in rows("endpoint | role | what it answers"):
        methods: list[str] = []
        for text in re.findall(r"`([^`]*)`", cell):
            words = text.split(" ")
            methods = methods + words[:1] if words[0].isupper() else methods
            if not words[-1].startswith(("/", "…")):
                continue
            path = words[-1].replace("NAME", "{name}").replace("…", BASE)
            in_base = "…" in cell or f" {BASE}/" in cell
            if in_base and not path.startswith(BASE):
                path = BASE + path
            for method in methods:
                yield method, path, role


def test_the_endpoints_are_those_of_the_route_table() -> None:
    listed = list(endpoints())
    there = {
        (method, row.path): row.role.value if row.role else "none"
        for row in ROUTES
        for method in row.verbs
        if row.tag in TAGS
    }
    twice = {one for one in there if one[1].startswith("/api/v1/") or one[1] == "/federate"}
    assert {(method, path): role for method, path, role in listed} == {
        one: role for one, role in there.items() if one not in twice
    }
    assert len(set(listed)) == len(listed)
    for method, path in twice:
        assert (method, f"/prometheus{path}") in there


def test_the_fields_of_a_query_are_those_of_its_body() -> None:
    named = [name for row in rows("field | meaning") for name in re.findall(r"`(\w+)`", row[0])]
    assert sorted(named) == sorted(NovaqlRequest.model_fields)


def test_every_status_of_an_error_is_explained() -> None:
    named = {int(code) for row in rows("status | meaning") for code in row[0].split(", ")}
    # 499 is never sent: the client is gone.
    assert named == {kind.status for kind in KINDS.values()} - {499} | {500}


def test_the_limits_are_those_of_a_connection() -> None:
    (head, parameters, body, *_) = rows("what | limit | answer beyond it")
    limits = Limits()
    assert head[1:] == [
        f"{limits.head_bytes >> 10} KiB, {limits.headers} headers, "
        f"complete within {limits.head_s:g} s",
        "414, 431, 408",
    ]
    assert parameters[1].split(";")[0] == f"{MOST_PARAMETERS:,}".replace(",", " ")
    assert body[1] == (
        f"{limits.least_rate >> 10} KiB/s after the first {limits.grace_s:g} s, "
        f"no pause of {limits.idle_s:g} s"
    )
