"""Every endpoint that the API promises is there, with its role, and a test uses it over HTTP."""

from __future__ import annotations

import importlib

from novaql.server.auth.roles import Role
from novaql.server.routes import ROUTES
from tests.support.contract.seed import PROMISED, promised
from tests.support.repository.files import ROOT


def test_what_is_promised_is_there() -> None:
    here = {f"{method} {e.path.removeprefix('/v1')}" for e in ROUTES for method in e.verbs}

    assert PROMISED - here == set()
    assert len(PROMISED) == 67


def test_each_is_used_once_over_http_against_a_process() -> None:
    """Each file of these tests ends with a test that its requests used all of its endpoints."""
    used: list[str] = []
    for file in (ROOT / "tests" / "server" / "process").glob("test_seed_*.py"):
        module = importlib.import_module(f"tests.server.process.{file.stem}")
        assert callable(module.test_every_promised_endpoint_was_used)
        used += promised(*module.OURS)

    assert sorted(used) == sorted(PROMISED)


ADMIN = ("/users", "/tokens", "/webhooks", "/integrations", "/audit/export", "/scim")


def test_roles_are_those_of_the_contract() -> None:
    for endpoint in ROUTES:
        for method in endpoint.verbs:
            path = endpoint.path.removeprefix("/v1")
            if f"{method} {path}" not in PROMISED:
                continue
            wanted = Role.READ_ONLY if method == "GET" or path == "/novaql" else Role.OPERATOR
            if path.startswith(ADMIN):
                wanted = Role.ADMIN
            assert endpoint.role is wanted, f"{method} {path}"
