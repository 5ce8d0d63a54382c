"""`novaql admin`: the way in without the server."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from novaql.cli.main import cli, run
from novaql.server.auth.accounts import Accounts
from novaql.server.auth.roles import Principal, Role
from novaql.server.clock import SystemClock
from novaql.server.db.engine import StateDatabase


def admin(*arguments: str) -> str:
    run = CliRunner().invoke(cli, ["admin", *arguments], catch_exceptions=False)
    assert run.exit_code == 0, run.output
    return run.stdout.strip()


def principal(data: Path, secret: str) -> Principal | None:
    database = StateDatabase(f"sqlite:///{data}/server/state.db")
    found = Accounts(database, SystemClock()).find(secret)
    database.close()
    return found


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "fleet"


def test_bootstrap_makes_the_first_tenant_and_a_token(data: Path) -> None:
    first = principal(data, admin("bootstrap", "--data", str(data), "--email", "ada@example.com"))
    second = principal(data, admin("bootstrap", "--data", str(data), "--email", "ada@example.com"))

    assert first is not None
    assert second is not None
    assert (first.role, first.user_name) == (Role.ADMIN, "ada@example.com")
    assert first.user_id == second.user_id
    assert first.id != second.id


def test_a_folder_of_other_files_is_refused_and_stays_as_it_is(data: Path) -> None:
    data.mkdir()
    (data / "notes.txt").write_text("mine")

    assert run(["admin", "bootstrap", "--data", str(data)]) == 1
    assert [file.name for file in data.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize("role", [Role.READ_ONLY, Role.OPERATOR])
def test_a_database_whose_first_token_is_a_lesser_one_still_gets_an_administrator(
    data: Path, role: Role
) -> None:
    lesser = principal(data, admin("token", "--data", str(data), "--role", role.value))
    first = principal(data, admin("bootstrap", "--data", str(data)))

    assert lesser is not None
    assert first is not None
    assert (lesser.role, first.role) == (role, Role.ADMIN)
    assert lesser.user_id == first.user_id


def test_further_tenants_have_people_and_samples_of_their_own(data: Path) -> None:
    first = principal(data, admin("bootstrap", "--data", str(data)))
    other = principal(data, admin("tenant", "acme", "--data", str(data)))
    reader = principal(
        data, admin("token", "--tenant", "acme", "--role", "read_only", "--data", str(data))
    )
    rows = [line.split("\t") for line in admin("tenants", "--data", str(data)).splitlines()]

    assert first is not None
    assert other is not None
    assert reader is not None
    assert first.tenant_id != other.tenant_id == reader.tenant_id
    assert reader.role is Role.READ_ONLY
    assert [(name, place) for _, name, place in rows] == [
        ("default", "."),
        ("acme", f"tenants/{other.tenant_id}"),
    ]


def test_what_cannot_be_is_said(data: Path) -> None:
    admin("tenant", "acme", "--data", str(data))
    for arguments in (["tenant", "acme"], ["token", "--tenant", "nobody"]):
        run = CliRunner().invoke(cli, ["admin", *arguments, "--data", str(data)])
        assert run.exit_code == 1
        assert "Error: there is" in run.output
