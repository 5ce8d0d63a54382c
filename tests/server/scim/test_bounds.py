"""What one SCIM request makes the server do is bounded, however it is written."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import event

from novaql.server.auth.roles import Role
from novaql.server.db.engine import StateDatabase
from novaql.server.tuning import Tuning
from tests.server.scim.conftest import Idp
from tests.support.servers.http_server import local_server

BULK = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
SEARCH = "urn:ietf:params:scim:api:messages:2.0:SearchRequest"


def statements(idp: Idp, path: str, operations: list[dict[str, object]]) -> int:
    seen: list[str] = []

    def note(*arguments: object) -> None:
        seen.append(str(arguments[2]))

    engine = idp.server.context.database.engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        assert idp.patch(path, *operations).status_code == 204
    finally:
        event.remove(engine, "before_cursor_execute", note)
    return len([text for text in seen if "scim_members" in text])


def test_a_page_behind_all_rows_is_empty(idp: Idp) -> None:
    idp.user("u@x.io")
    for start in (2**63, 10**23):
        page = idp.get(f"/Users?startIndex={start}")
        assert page["totalResults"] >= 1
        assert page.get("Resources", []) == []


def test_many_changes_of_members_take_as_many_statements_as_one(idp: Idp) -> None:
    ids = [idp.user(f"u{number}@x.io")["id"] for number in range(12)]
    path = f"/Groups/{idp.group('g', [])['id']}"
    adds: list[dict[str, object]] = [
        {"op": "add", "path": "members", "value": [{"value": one}]} for one in ids
    ]
    one, many = statements(idp, path, adds[:1]), statements(idp, path, adds)
    assert many <= one
    assert len(idp.get(path)["members"]) == 12
    removes: list[dict[str, object]] = [
        {"op": "remove", "path": f'members[value eq "{key}"]'} for key in ids[1:]
    ]
    assert statements(idp, path, [*removes, adds[2]]) <= one + 1
    assert {m["value"] for m in idp.get(path)["members"]} == {ids[0], ids[2]}


def test_a_patch_has_so_many_operations(idp: Idp) -> None:
    user = idp.user("many@x.io")
    rename = {"op": "replace", "path": "displayName", "value": "n"}
    answer = idp.patch(f"/Users/{user['id']}", *[rename] * 101)
    assert (answer.status_code, answer.json()["scimType"]) == (400, "invalidValue")
    assert idp.patch(f"/Users/{user['id']}", *[rename] * 100).status_code == 204


@pytest.mark.slow
def test_a_bulk_request_has_so_many_operations(idp: Idp, monkeypatch: pytest.MonkeyPatch) -> None:
    """It took two minutes to validate a body of 1 MiB before its operations were counted."""

    def read_bulk(*_: object) -> None:
        raise AssertionError("validated before it was counted")

    monkeypatch.setattr("scim2_server.service.ScimService.read_bulk", read_bulk)
    empty: dict[str, Any] = {}
    inner: dict[str, Any] = {"data": {"Operations": [empty] * 1001}}
    for operations in ([empty] * 101, [empty] * 100_000, [inner]):
        body = {"schemas": [BULK], "operations": operations}
        answer = idp.ask("POST", "/Bulk", body)
        assert (answer.status_code, "at most 100" in answer.text) == (413, True)


def search(idp: Idp, text: str) -> tuple[int, str | None]:
    answer = idp.ask("POST", "/Users/.search", {"schemas": [SEARCH], "filter": text})
    return answer.status_code, answer.json().get("scimType")


def test_a_search_whose_filter_is_too_long_is_refused(idp: Idp) -> None:
    idp.user("ann@x.io", displayName="ann@x.io")
    assert search(idp, 'displayName co "x.io"') == (200, None)
    assert search(idp, f'displayName co "{"a" * 10_000}"') == (400, "tooMany")


def test_a_search_that_looks_at_too_much_is_refused(database: StateDatabase) -> None:
    with local_server(database=database, tuning=Tuning(search_work=2)) as server:
        idp = Idp(
            server, server.tokens[Role.ADMIN], server.context.access.default_principal.tenant_id
        )
        for name in ("ann@x.io", "bob@x.io", "cy@x.io"):
            idp.user(name, displayName=name)
        assert search(idp, 'displayName co "x.io"') == (400, "tooMany")
        assert search(idp, 'userName eq "bob@x.io"') == (200, None)
