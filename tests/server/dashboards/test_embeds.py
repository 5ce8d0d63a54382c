"""Embedded panels: one URL opens one panel, for as long as it may."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from novaql.server.auth.roles import Role
from novaql.server.clock import SteppedClock
from novaql.server.dashboards.live import PanelDataOut
from novaql.server.db.engine import StateDatabase
from tests.server.dashboards.conftest import NOW_S, ask, panel, save
from tests.support.servers.http_server import LocalServer, local_server

RIGHT = {"x": 12, "y": 0, "w": 12, "h": 8}


def embed(server: LocalServer, panel_id: str, **body: Any) -> dict[str, Any]:
    answer = ask(server, "POST", f"/panels/{panel_id}/embeds", body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def open_url(server: LocalServer, url: str) -> httpx.Response:
    """As somebody without a token."""
    return server.client.get(url)


@pytest.mark.slow
def test_a_url_opens_its_panel_and_no_other(served: LocalServer, clock: SteppedClock) -> None:
    made = save(served, panel("up", title="<b>Up</b>"), panel("lost", title="L", grid=RIGHT))
    first, second = (found["id"] for found in made["panels"])
    one, other = embed(served, first, origins=["https://wiki.example"]), embed(served, second)
    data = open_url(served, f"{one['data_url']}&start={NOW_S}&end={NOW_S}")
    page = open_url(served, one["page_url"])

    assert data.status_code == 200
    assert PanelDataOut.model_validate(data.json()).panel.id == first
    assert page.headers["content-type"].startswith("text/html")
    policy = page.headers["content-security-policy"]
    assert "frame-ancestors https://wiki.example" in policy
    assert "default-src 'none'" in policy
    assert "&lt;b&gt;Up&lt;/b&gt;" in page.text
    assert "<b>Up" not in page.text
    assert "<svg" in page.text
    none = open_url(served, other["page_url"]).headers["content-security-policy"]
    assert "frame-ancestors 'none'" in none

    swapped = open_url(served, one["data_url"].replace(one["id"], other["id"]))
    wrong = open_url(served, f"/v1/embeds/{one['id']}/data?token=x")
    nobody = open_url(served, f"/v1/embeds/emb_0/data?token={one['token']}")
    for answer in (swapped, wrong, nobody):
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "invalid_embed")
    assert open_url(served, f"/v1/panels/{first}/data").status_code == 401
    chosen = open_url(served, f"{one['data_url']}&var-job=x")
    assert chosen.status_code == 400

    path = f"/panels/{first}/embeds"
    assert ask(served, "DELETE", f"/panels/{second}/embeds/{one['id']}").status_code == 404
    assert ask(served, "DELETE", f"{path}/{one['id']}").status_code == 204
    again = ask(served, "DELETE", f"{path}/{one['id']}")
    assert (again.status_code, again.json()["error"]["code"]) == (404, "embed_not_found")
    for url in (one["data_url"], one["page_url"]):
        assert open_url(served, url).status_code == 403
    (listed,) = ask(served, "GET", path, role=Role.READ_ONLY).json()["data"]
    assert listed["revoked_at"] is not None
    assert "token" not in listed

    clock.step(timedelta(days=30))
    late = open_url(served, other["data_url"])
    assert (late.status_code, late.json()["error"]["code"]) == (410, "embed_expired")


def test_it_ends_with_its_panel(served: LocalServer) -> None:
    made = save(served, panel("up"))
    url = embed(served, made["panels"][0]["id"])["data_url"]
    assert open_url(served, url).status_code == 200
    ask(served, "DELETE", f"/dashboards/{made['id']}")
    assert open_url(served, url).status_code == 403


def test_its_secret_is_not_kept(served: LocalServer, database: StateDatabase) -> None:
    made = save(served, panel("up"))
    token = embed(served, made["panels"][0]["id"])["token"]
    entries = ask(served, "GET", "/audit?action=panel.embed").text
    assert token not in entries
    with database.engine.connect() as connection:
        rows = connection.execute(text("SELECT * FROM panel_embeds")).all()
    assert len(rows) == 1
    assert token not in str(rows)


def test_what_is_refused(seen: LocalServer) -> None:
    key = save(seen, panel("up"))["panels"][0]["id"]
    path = f"/panels/{key}/embeds"
    for origin in ("https://a.example; script-src *", "javascript:alert(1)", "*"):
        assert ask(seen, "POST", path, {"origins": [origin]}).status_code == 400, origin
    for duration in ("0s", "400d", "soon", "1s" * 40):
        answer = ask(seen, "POST", path, {"expires_in": duration})
        assert answer.status_code == 400, duration
        assert answer.json()["error"]["details"][0]["pointer"] == "/expires_in"
    assert ask(seen, "POST", path, {}, Role.READ_ONLY).status_code == 403
    assert ask(seen, "POST", "/panels/pan_0/embeds", {}).status_code == 404


def test_words_are_escaped(seen: LocalServer) -> None:
    words = panel("", type="text", queries=[], text="<script>alert(1)</script>")
    key = save(seen, words)["panels"][0]["id"]
    page = open_url(seen, embed(seen, key)["page_url"]).text
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


def test_a_url_has_a_quota_of_its_own_and_guessing_has_one() -> None:
    with local_server(rate_per_minute=5, rate_per_day=1000, auth_failures_per_minute=3) as server:
        made = embed(server, save(server, panel("1"))["panels"][0]["id"])
        shown = [open_url(server, made["data_url"]) for _ in range(6)]
        assert [answer.status_code for answer in shown] == [200] * 5 + [429]
        assert int(shown[-1].headers["retry-after"]) >= 1
        guesses = [open_url(server, f"/v1/embeds/{made['id']}/data?token={i}") for i in range(4)]
        assert [answer.status_code for answer in guesses] == [403] * 3 + [429]
        assert ask(server, "GET", "/dashboards").status_code == 200


def test_it_ends_with_its_maker(served: LocalServer) -> None:
    made = save(served, panel("up"))
    body = {"email": "bob@example.com", "role": "operator"}
    invited = ask(served, "POST", "/users", body, Role.ADMIN).json()
    accepting = {"token": invited["invitation_token"]}
    accepted = served.client.post("/v1/invitations/accept", json=accepting)
    assert accepted.status_code == 200, accepted.text
    bearer = {"Authorization": f"Bearer {accepted.json()['token']}"}
    path = f"/v1/panels/{made['panels'][0]['id']}/embeds"
    url = served.client.post(path, json={}, headers=bearer).json()["data_url"]
    user = f"/users/{invited['id']}"
    assert open_url(served, url).status_code == 200
    for change, opens in (({"role": "read_only"}, 403), ({"role": "operator"}, 200)):
        version = ask(served, "GET", user, role=Role.ADMIN).json()["version"]
        changed = ask(served, "POST", user, {**change, "version": version}, Role.ADMIN)
        assert changed.status_code == 200, changed.text
        assert open_url(served, url).status_code == opens, change
    assert ask(served, "DELETE", user, role=Role.ADMIN).status_code == 204
    assert open_url(served, url).status_code == 403
