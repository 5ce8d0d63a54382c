"""Every provider: no name, no TLS, no answer in time, and addresses that are not public."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from novaql.server.integrations.providers import PROVIDERS
from tests.support.contract.denied_targets import denied_urls
from tests.support.servers.integration_rig import IntegrationRig, integration_rig

SETTINGS: dict[str, dict[str, Any]] = {
    "prometheus": {"token": "the-secret"},
    "alertmanager": {"username": "ada", "password": "the-secret"},
    "grafana": {"token": "the-secret"},
    "pagerduty": {"api_key": "the-secret"},
    "github": {"flow": "api_key", "token": "the-secret", "repositories": ["acme/shop"]},
}


def refused(rig: IntegrationRig, provider: str, url: str) -> str:
    """Why the connection is refused."""
    answer = rig.ask("POST", f"/{provider}/connect", {**SETTINGS[provider], "base_url": url})
    assert answer.status_code == 422, answer.text
    assert "the-secret" not in answer.text
    return str(answer.json()["error"]["message"])


def test_every_provider_with_a_url_is_here() -> None:
    with_url = {one.name for one in PROVIDERS if "base_url" in one.Settings.model_fields}
    assert with_url == set(SETTINGS)


@pytest.mark.slow
@pytest.mark.parametrize("provider", SETTINGS)
def test_reasons_of_the_network(provider: str) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        integration_rig(integration_timeout_s=0.5) as rig,
    ):
        port = silent.getsockname()[1]
        assert refused(rig, provider, "http://no.such.name.invalid").startswith("dns: ")
        tls = rig.fake.url.replace("http://", "https://")
        assert refused(rig, provider, tls).startswith("tls: ")
        assert refused(rig, provider, f"http://127.0.0.1:{port}").startswith("timeout: ")
        closed = refused(rig, provider, "http://127.0.0.1:1")
        assert closed.startswith("provider_error: the connection is refused")


@pytest.mark.parametrize("provider", SETTINGS)
def test_addresses_that_are_not_public_are_never_dialed(provider: str) -> None:
    with integration_rig(egress_allow="") as rig:
        for url in denied_urls(int(rig.fake.url.rpartition(":")[2])):
            body = {**SETTINGS[provider], "base_url": url}
            answer = rig.ask("POST", f"/{provider}/connect", body)
            assert answer.status_code == 422, url
            assert answer.json()["error"]["code"] in ("target_not_allowed", "invalid_url"), url
        refused(rig, provider, rig.fake.url)
        assert rig.fake.asked == []


@pytest.mark.parametrize("provider", SETTINGS)
def test_a_user_name_in_a_url_is_rejected(rig: IntegrationRig, provider: str) -> None:
    url = rig.fake.url.replace("://", "://ada:the-secret@")
    assert "user name" in refused(rig, provider, url)
