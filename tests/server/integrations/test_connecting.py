"""Connecting by each flow: what is stored, what is shown, and what is rejected."""

from __future__ import annotations

import json
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from sqlalchemy import select

from novaql.server.auth.roles import Role
from novaql.server.db.rows import Tenant
from novaql.server.db.tables import AuditEntry, Event
from tests.support.servers.fake_provider import KEY, Answer
from tests.support.servers.http_server import token_of
from tests.support.servers.integration_rig import START, IntegrationRig, integration_rig


def test_a_key_connects_at_once_and_is_never_shown(rig: IntegrationRig) -> None:
    answer = rig.post("/fake/connect", {"api_key": KEY})

    assert (answer["flow"], answer["status"]) == ("api_key", "connected")
    shown = rig.get("/fake/status")
    assert (shown["status"], shown["flow"]) == ("connected", "api_key")
    assert KEY not in json.dumps(shown)
    with rig.server.context.database.read(None) as session:
        entries = session.execute(select(AuditEntry)).scalars()
        texts = [json.dumps([e.action, e.before, e.after, e.diff]) for e in entries]
    assert any("integration.connect" in text for text in texts)
    assert not any(KEY in text for text in texts)
    assert KEY not in str(rig.row().credentials)


def test_a_key_that_does_not_work_stores_nothing(rig: IntegrationRig) -> None:
    answer = rig.ask("POST", "/fake/connect", {"api_key": "wrong"})

    assert answer.status_code == 422
    assert answer.json()["error"]["code"] == "connect_failed"
    assert "unauthorized" in answer.json()["error"]["message"]
    assert rig.get("")["data"] == []


def test_settings_are_checked_with_pointers(rig: IntegrationRig) -> None:
    for body, pointer in (
        ({"flow": "nothing"}, "/flow"),
        ({"unknown": 1}, "/unknown"),
        ({"api_key": "two words"}, "/api_key"),
    ):
        answer = rig.ask("POST", "/fake/connect", body)
        assert answer.status_code == 400
        assert answer.json()["error"]["details"][0]["pointer"] == pointer


def test_the_authorize_url_has_the_challenge_and_no_secret(rig: IntegrationRig) -> None:
    body = {"flow": "oauth", "client_secret": "s3cret-of-the-client"}
    answer = rig.post("/fake/connect", body)
    query = parse_qs(urlsplit(answer["authorize_url"]).query)

    assert answer["flow"] == "oauth"
    assert answer["expires_at"] == "2026-04-01T12:10:00Z"
    assert query["code_challenge_method"] == ["S256"]
    assert "code_verifier" not in query
    assert query["redirect_uri"][0].endswith("/v1/integrations/callback")
    assert "s3cret" not in json.dumps(answer)
    httpx.get(rig.fake.authorize(answer["authorize_url"]))
    (form,) = rig.fake.of("/token")
    assert form["code_verifier"] not in answer["authorize_url"]
    assert form["client_secret"] == "s3cret-of-the-client"
    assert rig.status() == "connected"


def test_a_state_is_valid_once(rig: IntegrationRig) -> None:
    url = rig.fake.authorize(rig.post("/fake/connect", {"flow": "oauth"})["authorize_url"])

    first, second = httpx.get(url), httpx.get(url)

    assert first.json() == {"provider": "fake", "status": "connected"}
    assert second.status_code == 400
    assert second.json()["error"]["code"] == "invalid_state"
    assert len(rig.fake.of("/token")) == 1


def test_looking_at_the_link_does_not_use_the_state_up(rig: IntegrationRig) -> None:
    url = rig.fake.authorize(rig.post("/fake/connect", {"flow": "oauth"})["authorize_url"])

    looked = httpx.head(url)
    assert (looked.status_code, looked.headers["allow"]) == (405, "GET")
    assert rig.fake.of("/token") == []
    assert httpx.get(url).json()["status"] == "connected"


def test_unknown_parameters_of_a_provider_are_ignored(rig: IntegrationRig) -> None:
    begun = rig.post("/fake/connect", {"flow": "oauth"})["authorize_url"]
    url = rig.fake.authorize(begun, authuser="0", prompt="consent")

    assert httpx.get(url).json() == {"provider": "fake", "status": "connected"}


def test_unknown_and_expired_states_store_nothing(rig: IntegrationRig) -> None:
    url = rig.fake.authorize(rig.post("/fake/connect", {"flow": "oauth"})["authorize_url"])
    forged = rig.server.client.get("/v1/integrations/callback?state=guess&code=c")
    rig.step(601)
    late = httpx.get(url)

    assert (forged.status_code, late.status_code) == (400, 400)
    assert rig.fake.of("/token") == []
    assert rig.status() == "expired"
    assert rig.row().credentials is None
    assert rig.row().pending is None


def test_an_authorization_that_is_never_opened_expires(rig: IntegrationRig) -> None:
    rig.post("/fake/connect", {"flow": "oauth", "client_secret": "s3cret"})
    rig.step(599)
    assert rig.status() == "connecting"
    rig.step(1)

    assert rig.status() == "expired"
    assert rig.row().pending is None


def test_an_authorization_does_not_expire_while_its_code_is_redeemed(
    rig: IntegrationRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = rig.fake.authorize(rig.post("/fake/connect", {"flow": "oauth"})["authorize_url"])
    rig.step(599)
    redeem = rig.fake.token

    def slowly(form: dict[str, str]) -> Answer:
        rig.step(2)
        return redeem(form)

    monkeypatch.setattr(rig.fake, "token", slowly)

    assert httpx.get(url, timeout=30).status_code == 200
    assert rig.status() == "connected"


def test_an_authorization_whose_server_was_killed_expires(
    rig: IntegrationRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = rig.fake.authorize(rig.post("/fake/connect", {"flow": "oauth"})["authorize_url"])
    monkeypatch.setattr("novaql.server.integrations.callback.exchange_code", lambda *_: 1 / 0)

    assert httpx.get(url).status_code == 500
    rig.step(600)
    assert (rig.status(), rig.row().pending) == ("expired", None)


def test_a_new_flow_replaces_the_state_of_the_old_one(rig: IntegrationRig) -> None:
    old = rig.fake.authorize(rig.post("/fake/connect", {"flow": "oauth"})["authorize_url"])
    new = rig.fake.authorize(rig.post("/fake/connect", {"flow": "oauth"})["authorize_url"])

    assert httpx.get(old).status_code == 400
    assert httpx.get(new).status_code == 200


def test_a_state_ends_with_the_role_of_its_user(rig: IntegrationRig) -> None:
    url = rig.fake.authorize(rig.post("/fake/connect", {"flow": "oauth"})["authorize_url"])
    body = {"email": "eve@example.com", "role": "admin"}
    headers = rig.server.bearer()
    assert rig.server.client.post("/v1/users", json=body, headers=headers).status_code == 201
    with rig.server.context.database.write(None) as session:
        session.connection().exec_driver_sql("UPDATE users SET role = 'operator'")

    assert httpx.get(url).status_code == 400
    assert rig.fake.of("/token") == []


def test_a_device_flow_ends_with_the_role_of_its_user(rig: IntegrationRig) -> None:
    rig.connect_key()
    rig.post("/fake/connect", {"flow": "device"})
    before = rig.row().credentials
    with rig.server.context.database.write(None) as session:
        session.connection().exec_driver_sql("UPDATE users SET role = 'operator'")
    rig.step(5)

    row = rig.row()
    assert (row.status, row.flow, row.pending) == ("connected", "api_key", None)
    assert row.credentials == before
    with rig.server.context.database.read(None) as session:
        assert "integration.connect_failed" in session.execute(select(Event.type)).scalars().all()


def test_a_state_connects_its_own_tenant(rig: IntegrationRig) -> None:
    url = rig.fake.authorize(rig.post("/fake/connect", {"flow": "oauth"})["authorize_url"])
    with rig.server.context.database.write(None) as session:
        other = Tenant(id="ten_other", name="other", store="x", created_at=START, settings={})
        session.add(other)
    token = token_of(rig.server.context.database, "ten_other", Role.ADMIN, "eve@example.com")
    headers = {"Authorization": f"Bearer {token}"}

    assert httpx.get(url, headers=headers).status_code == 200
    listed = rig.server.client.get("/v1/integrations", headers=headers).json()["data"]
    assert listed == []
    assert rig.status() == "connected"


def test_another_issuer_is_rejected_before_the_code_is_used(rig: IntegrationRig) -> None:
    begun = rig.post("/fake/connect", {"flow": "oauth"})["authorize_url"]
    answer = httpx.get(rig.fake.authorize(begun, iss="https://mallory.example"))

    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "wrong_issuer"
    assert rig.fake.of("/token") == []


def test_a_code_without_its_verifier_fails(rig: IntegrationRig) -> None:
    begun = rig.post("/fake/connect", {"flow": "oauth"})["authorize_url"]
    url = rig.fake.authorize(begun)
    for asked in rig.fake.codes.values():
        asked["code_challenge"] = "of-another-verifier"

    answer = httpx.get(url)

    assert answer.status_code == 422
    assert answer.json()["error"]["code"] == "exchange_failed"
    assert rig.row().credentials is None


def test_a_user_who_refuses_ends_the_flow(rig: IntegrationRig) -> None:
    begun = rig.post("/fake/connect", {"flow": "oauth"})["authorize_url"]
    answer = httpx.get(rig.fake.authorize(begun, error="access_denied"))

    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "authorization_denied"
    assert rig.status() == "denied"


def test_a_failed_new_flow_leaves_the_connection_as_it_was(rig: IntegrationRig) -> None:
    rig.connect_key()
    begun = rig.post("/fake/connect", {"flow": "oauth"})["authorize_url"]
    assert rig.status() == "connected"
    httpx.get(rig.fake.authorize(begun, error="access_denied"))

    assert rig.status() == "connected"
    assert rig.post("/fake/test")["ok"] is True


@pytest.mark.parametrize("answer", [(400, {"error": "invalid_grant"}), (500, {})])
@pytest.mark.parametrize("healthy", [True, False])
def test_a_code_that_is_not_redeemed_leaves_the_health_of_the_connection(
    rig: IntegrationRig, answer: Answer, healthy: bool
) -> None:
    rig.connect_key()
    rig.fake.fail("/me", *([] if healthy else [(403, {})]))
    rig.post("/fake/test")
    url = rig.fake.authorize(rig.post("/fake/connect", {"flow": "oauth"})["authorize_url"])
    rig.fake.fail("/token", answer)

    assert httpx.get(url).status_code == 422
    status = rig.get("/fake/status")
    assert (status["healthy"], status["last_error"] is None) == (healthy, healthy)


def test_a_device_flow_obeys_the_interval_and_slow_down(rig: IntegrationRig) -> None:
    rig.fake.device_answers = ["authorization_pending", "slow_down", "authorization_pending"]
    answer = rig.post("/fake/connect", {"flow": "device"})

    def polls() -> int:
        return len(rig.fake.of("/token"))

    assert answer["user_code"] == "WDJB-MJHT"
    assert (answer["interval"], answer["status"]) == (5, "connecting")
    rig.step(4)
    assert polls() == 0
    rig.step(1)
    assert polls() == 1
    rig.step(5)
    assert polls() == 2  # slow_down: ten seconds from now on
    rig.step(9)
    assert polls() == 2
    rig.step(1)
    assert polls() == 3
    rig.step(9)
    assert polls() == 3
    rig.step(1)
    assert polls() == 4
    assert rig.status() == "connected"
    assert rig.post("/fake/test")["ok"] is True


@pytest.mark.slow
def test_a_device_flow_that_is_not_finished_expires(rig: IntegrationRig) -> None:
    rig.fake.device_expires_s = 60
    rig.fake.device_answers = ["authorization_pending"] * 100
    rig.post("/fake/connect", {"flow": "device"})
    for _ in range(13):
        rig.step(5)

    assert rig.status() == "expired"
    assert rig.row().pending is None
    count = len(rig.fake.of("/token"))
    rig.step(100)
    assert len(rig.fake.of("/token")) == count


def test_a_refused_device_flow_ends(rig: IntegrationRig) -> None:
    rig.fake.device_answers = ["access_denied"]
    rig.post("/fake/connect", {"flow": "device"})
    rig.step(5)

    assert rig.status() == "denied"


def test_only_administrators_use_integrations(rig: IntegrationRig) -> None:
    assert rig.ask("GET", "", role=Role.OPERATOR).status_code == 403
    assert rig.ask("POST", "/fake/sync", role=Role.OPERATOR).status_code == 403


@pytest.mark.parametrize("path", ["/nothing/test", "/nothing/sync"])
def test_an_unknown_provider_is_a_404_and_an_unconnected_one_a_409(
    rig: IntegrationRig, path: str
) -> None:
    unknown = rig.ask("POST", path)
    absent = rig.ask("POST", path.replace("nothing", "fake"))

    assert (unknown.status_code, absent.status_code) == (404, 409)
    assert unknown.json()["error"]["code"] == "provider_not_found"
    assert absent.json()["error"]["code"] == "not_connected"


def test_a_device_flow_survives_a_huge_interval(rig: IntegrationRig) -> None:
    rig.fake.fail("/token", (400, {"error": "slow_down", "interval": 1e300}))
    rig.post("/fake/connect", {"flow": "device"})
    rig.step(6)

    assert rig.row().interval_s == 3600
    assert rig.status() == "connecting"


def test_a_device_flow_with_a_long_interval_expires_in_time(rig: IntegrationRig) -> None:
    rig.fake.fail("/token", (400, {"error": "slow_down", "interval": 3600}))
    rig.post("/fake/connect", {"flow": "device"})
    rig.step(5)
    rig.step(894)
    assert rig.status() == "connecting"
    rig.step(1)

    assert rig.status() == "expired"
    assert len(rig.fake.of("/token")) == 1


@pytest.mark.parametrize("url", ["http://[::1", "javascript:alert(1)", "https://", "x"])
def test_a_device_flow_without_a_web_page_does_not_begin(rig: IntegrationRig, url: str) -> None:
    answer = {"device_code": "d", "user_code": "u", "verification_uri": url, "expires_in": 900}
    rig.fake.fail("/device", (200, answer))
    found = rig.ask("POST", "/fake/connect", {"flow": "device"})

    assert (found.status_code, found.json()["error"]["code"]) == (422, "connect_failed")


def test_the_redirect_uri_is_the_public_url_behind_a_proxy() -> None:
    with integration_rig(public_url="https://nova.example") as rig:
        url = rig.post("/fake/connect", {"flow": "oauth"})["authorize_url"]
        redirect = parse_qs(urlsplit(url).query)["redirect_uri"]

        assert redirect == ["https://nova.example/v1/integrations/callback"]
        back = rig.fake.authorize(url).removeprefix("https://nova.example")
        assert rig.server.client.get(back).json()["status"] == "connected"
        assert rig.fake.of("/token")[0]["redirect_uri"] == redirect[0]


def test_disconnecting_during_a_poll_stores_nothing(
    rig: IntegrationRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.post("/fake/connect", {"flow": "device"})
    grant = rig.fake.token

    def disconnects(form: dict[str, str]) -> Answer:
        assert rig.ask("DELETE", "/fake").status_code == 204
        return grant(form)

    monkeypatch.setattr(rig.fake, "token", disconnects)
    rig.step(6)

    assert (rig.status(), rig.row().credentials, rig.row().pending) == ("disconnected", None, None)
