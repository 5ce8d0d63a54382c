"""`novaql admin`: tenants, people and tokens of a server's database, without the server."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from novaql.cli.options import FOLDER
from novaql.export.missing import needs
from novaql.inputs.database_folders import is_database
from novaql.language.check import did_you_mean

with needs("fastapi", "pydantic", "sqlalchemy", "alembic", "cryptography", extra="server"):
    from novaql.server.auth.bootstrap import (
        FIRST_ADMIN,
        add_admin,
        add_tenant,
        ensure_first_tenant,
        set_limits,
        tenants,
    )
    from novaql.server.auth.roles import Role
    from novaql.server.clock import Clock
    from novaql.server.db.engine import StateDatabase
    from novaql.server.db.master_keys import rotate_key_file
    from novaql.server.errors import ServerError
    from novaql.server.file_modes import create_private_files
    from novaql.server.ledger.keys import rotate_keys
    from novaql.server.process.backups import StoreCount, back_up
    from novaql.server.process.backups import restore as restore_backup
    from novaql.server.settings import TENANT_LIMITS, Settings
    from novaql.server.tenants.opening import open_clock, open_executors, open_state, open_store

_DATA = click.option(
    "--data",
    metavar="DIR",
    type=FOLDER,
    help="The server's data directory. Default: $NOVAQL_DATA, else ./novaql-data.",
)
_TENANT = click.option("--tenant", metavar="NAME", help="Default: the first one.")
_EMAIL = click.option(
    "--email", default=FIRST_ADMIN, show_default=True, help="The token's user; created if missing."
)


@click.group("admin")
def command() -> None:
    """Create tenants and tokens in a server's database, also while the server runs.

    \b
    novaql admin bootstrap --data fleet --email ada@example.com
    novaql admin tenant acme --data fleet
    """
    create_private_files()


@command.command("bootstrap", short_help="Create the first tenant, administrator and token.")
@_DATA
@_TENANT
@_EMAIL
def bootstrap(data: Path | None, tenant: str | None, email: str) -> None:
    """Create the first tenant, an administrator, and a token; print the token.

    The command does not change an existing tenant or user. Each call creates another token, so use
    it also if you lose all tokens. --tenant names the first tenant if there is none yet.
    """
    with _database(data) as (database, clock):
        if tenant is not None and not tenants(database):
            ensure_first_tenant(database, clock, tenant)
        tenant_id = _tenant_id(database, clock, tenant)
        made = add_admin(database, clock, tenant_id, email=email, called="bootstrap")
    click.echo(made.secret)


@command.command("tenant", short_help="Create another tenant, with administrator and token.")
@click.argument("name")
@_DATA
@_EMAIL
def tenant(name: str, data: Path | None, email: str) -> None:
    """Create another tenant with its own samples, an administrator and a token."""
    with _database(data) as (database, clock):
        made = add_tenant(database, clock, name)
        token = add_admin(database, clock, made.id, email=email, called="bootstrap")
    click.echo(token.secret)


@command.command("tenants", short_help="List the tenants.")
@_DATA
def list_tenants(data: Path | None) -> None:
    """List the tenants: id, name, and where their samples are."""
    with _database(data, create=False) as (database, _):
        for row in tenants(database):
            click.echo(f"{row.id}\t{row.name}\t{row.store or '.'}")


@command.command("limits", short_help="Show or change the limits of a tenant.")
@_DATA
@_TENANT
@click.option(
    *("--set", "changes"),
    metavar="NAME=VALUE",
    multiple=True,
    help=f"One of {', '.join(TENANT_LIMITS)}; without a value, the server's setting applies again.",
)
def limits(data: Path | None, tenant: str | None, changes: tuple[str, ...]) -> None:
    """Show the limits of a tenant that differ from the server's; --set changes limits.

    Changes apply from the next request on, also on a running server.

    \b
    novaql admin limits --tenant acme --set rate_per_minute=1000 --set query_timeout_s=5
    """
    wanted = _read_limits(changes)
    with _database(data, create=False) as (database, clock):
        tenant_id = _tenant_id(database, clock, tenant)
        found = set_limits(database, tenant_id, wanted, _settings(data))
    for name, value in found:
        click.echo(f"{name}\t{value:g}")


def _read_limits(changes: tuple[str, ...]) -> dict[str, float | None]:
    out: dict[str, float | None] = {}
    for change in changes:
        name, given, text = change.partition("=")
        if given and name not in TENANT_LIMITS:
            hint = did_you_mean(name, tuple(TENANT_LIMITS)) or "--help lists them"
            raise click.BadParameter(f"{name} is no limit, {hint}", param_hint="--set")
        if not given:
            raise click.BadParameter(f"{change!r}: write NAME=VALUE", param_hint="--set")
        try:
            out[name] = TENANT_LIMITS[name](text) if text else None
        except ValueError:
            raise click.BadParameter(f"{text!r} is no number", param_hint="--set") from None
    return out


@command.command("token")
@_DATA
@_TENANT
@_EMAIL
@click.option("--name", default="shell", show_default=True, help="Name of the token.")
@click.option(
    "--role",
    type=click.Choice([role.value for role in Role]),
    default=Role.READ_ONLY.value,
    show_default=True,
)
def token(data: Path | None, tenant: str | None, email: str, name: str, role: str) -> None:
    """Issue a token for a user and print it. It is not shown again.

    Like `bootstrap`, the command creates the database if there is none, with the first tenant, and
    the user if missing: the default one as an administrator, another one with the role of the
    token.
    """
    settings = _settings(data)
    is_new = not _has_state(settings)
    with _database(data, create=tenant is None) as (database, clock):
        tenant_id = _tenant_id(database, clock, tenant)
        made = add_admin(database, clock, tenant_id, email=email, called=name, role=Role(role))
    if is_new:
        click.echo(f"info: created the database of a new server in {settings.data}", err=True)
    click.echo(made.secret)


@command.command("backup", short_help="Back up everything: samples, database, key.")
@click.argument("target", type=click.Path(path_type=Path))
@_DATA
def backup(target: Path, data: Path | None) -> None:
    """Create or update a backup of everything: samples of all tenants, the database, the key.

    The server may be running. TARGET is new, empty or an earlier backup of the same server. The
    command then opens the backup and compares its counts; it fails if the backup is incomplete. The
    backup contains the key that decrypts its secrets.

    \b
    novaql admin backup /mnt/backup/nova --data fleet
    novaql admin restore /mnt/backup/nova fleet
    """
    settings = _settings(data)
    if not settings.data.is_dir():
        raise click.ClickException(f"there is no data directory {settings.data}")
    done = back_up(settings, target)
    for sentence in done.left_out:
        click.echo(f"not copied: {sentence}", err=True)
    click.echo(f"backed up into {target}; {_summary(done.stores)}")


@command.command("restore")
@click.argument("copy", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
def restore(copy: Path, directory: Path) -> None:
    """Create a server's data directory from a backup. DIR is new or empty."""
    stores = restore_backup(copy, directory)
    click.echo(f"restored into {directory}; {_summary(stores)}")


def _summary(stores: Sequence[StoreCount]) -> str:
    samples = sum(one.samples for one in stores)
    return f"tenants with samples: {len(stores)}, samples: {samples}"


@command.command("rotate-key", short_help="Create a new master key.")
@_DATA
def rotate_key(data: Path | None) -> None:
    """Create a new master key and encrypt every secret with it. Stop the server first.

    For a key in NOVAQL_MASTER_KEY: put the new key before the old one, separated by a comma, and
    restart the server, which encrypts every secret with it. Then remove the old key.
    """
    settings = _settings(data)
    with _database(data, create=False) as (database, _), open_store(settings):
        count = rotate_key_file(settings, database)
    click.echo(f"the master key has changed; secrets that were sealed again: {count}")


@command.command("rotate-ledger-key", short_help="Create a new key that signs ledgers.")
@_DATA
def rotate_ledger_key(data: Path | None) -> None:
    """Create a new key that signs ledgers, and print its public key.

    A running server signs with it at once. Earlier checkpoints are verified with the old public
    key, which `/v1/ledger/keys` still lists. The old private key is deleted.
    """
    settings = _settings(data)
    with _database(data, create=False) as (database, clock):
        key = rotate_keys(settings, database, clock.now())
    click.echo(key.text)


@command.command("executors", short_help="Check the executors, and how scripts are isolated.")
@click.option(
    "--file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Default: executors_file of the server's settings.",
)
@_DATA
def executors(file: Path | None, data: Path | None) -> None:
    """Check the configuration of executors, and show how scripts are isolated.

    Run it as the server's user. For each executor, it prints the tenants that may use it, and why
    its runs are refused, if they are. It starts no script.
    """
    settings = _settings(data)
    found = open_executors(replace(settings, executors_file=file) if file else settings)
    click.echo(f"isolation: {found.isolation}")
    for name in found.names():
        executor = found.by_name[name]
        tenants_of = ", ".join(executor.config.tenants) or "no tenant"
        refused = f"\trefused: {executor.unavailable}" if executor.unavailable else ""
        click.echo(f"{name}\t{tenants_of}{refused}")


def _settings(data: Path | None) -> Settings:
    arguments: dict[str, Any] = {"data": data}
    return Settings.from_environment(os.environ, **arguments)


@contextmanager
def _database(data: Path | None, *, create: bool = True) -> Iterator[tuple[StateDatabase, Clock]]:
    settings = _settings(data)
    if not create and not _has_state(settings):
        remedy = "`novaql serve` and `novaql admin bootstrap` create one"
        raise click.ClickException(f"{settings.data} has no database of a server; {remedy}")
    if create and not is_database(settings.data):
        # As the server would: a directory with a store in it, but none with other files.
        open_store(settings).close()
    database = open_state(settings)
    try:
        yield database, open_clock(settings)
    except ServerError as refused:
        raise click.ClickException(refused.message) from None
    finally:
        database.close()


def _has_state(settings: Settings) -> bool:
    """Whether there is a database of a server, also a lost or damaged one."""
    return bool(settings.database_url) or (settings.data / "server").is_dir()


def _tenant_id(database: StateDatabase, clock: Clock, name: str | None) -> str:
    if name is None:
        return ensure_first_tenant(database, clock).id
    for row in tenants(database):
        if row.name == name:
            return row.id
    raise click.ClickException(f"there is no tenant named {name!r}")
