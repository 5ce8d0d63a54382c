"""The first tenant, its administrator, and their first token."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from novaql.fast_dataclass import dataclass
from novaql.server.auth.roles import Role
from novaql.server.auth.tokens import issue
from novaql.server.clock import Clock
from novaql.server.db.engine import StateDatabase
from novaql.server.db.rows import Tenant
from novaql.server.db.tables import Token, User
from novaql.server.errors import Conflict, Impossible
from novaql.server.ids import new_id
from novaql.server.settings import Limits, Settings

FIRST_TENANT = "default"
FIRST_ADMIN = "admin@localhost"


@dataclass(frozen=True, slots=True)
class Bootstrapped:
    """Ids of the created rows, and the secret of the token, which cannot be read again."""

    tenant_id: str
    user_id: str
    token_id: str
    secret: str


def ensure_first_tenant(database: StateDatabase, clock: Clock, name: str = FIRST_TENANT) -> Tenant:
    """Return the oldest tenant, whose samples are in the data directory itself. Create it if there
    is no tenant.

    name  the name of a tenant that is created
    """
    oldest = select(Tenant).order_by(Tenant.created_at, Tenant.id).limit(1)
    with database.read(None) as session:
        found = session.execute(oldest).scalar_one_or_none()
    if found is not None:
        return found
    with database.write(None) as session:  # unless another process has created it meanwhile
        tenant = session.execute(oldest).scalar_one_or_none()
        if tenant is None:
            tenant = _new_tenant(session, clock, name, first=True)
        return tenant


def tenants(database: StateDatabase) -> list[Tenant]:
    """Return all tenants, the oldest first."""
    with database.read(None) as session:
        return list(
            session.execute(select(Tenant).order_by(Tenant.created_at, Tenant.id)).scalars()
        )


def add_tenant(database: StateDatabase, clock: Clock, name: str) -> Tenant:
    """Create a tenant with a separate store, or the first tenant if there is none yet."""
    with database.write(None) as session:
        taken = session.execute(select(Tenant.id).where(Tenant.name == name)).first()
        if taken is not None:
            raise Conflict(f"there is a tenant named {name!r} already", code="tenant_exists")
        first = session.execute(select(Tenant.id).limit(1)).first() is None
        return _new_tenant(session, clock, name, first=first)


def correct_first_place(database: StateDatabase, tenant_id: str) -> None:
    """Record that the samples of the first tenant are in the data directory itself.

    Earlier versions always stored them there, but recorded another place for a first tenant that
    `novaql admin tenant` had made.
    """
    with database.write(None) as session:
        session.execute(update(Tenant).where(Tenant.id == tenant_id).values(store=""))


def _new_tenant(session: Session, clock: Clock, name: str, *, first: bool) -> Tenant:
    tenant_id = new_id("ten")
    place = "" if first else f"tenants/{tenant_id}"
    tenant = Tenant(id=tenant_id, name=name, store=place, created_at=clock.now(), settings={})
    session.add(tenant)
    return tenant


def set_limits(
    database: StateDatabase,
    tenant_id: str,
    changes: Mapping[str, float | None],
    settings: Settings,
) -> Limits:
    """Change limits of a tenant and return all limits that it has then. None removes a limit.

    Raises `ArgumentError` for a limit that the server cannot enforce.
    """
    with database.write(None) as session:
        tenant = session.execute(
            select(Tenant).where(Tenant.id == tenant_id).with_for_update()
        ).scalar_one()
        merged = {**tenant.settings.get("limits", {}), **changes}
        limits = {name: value for name, value in merged.items() if value is not None}
        settings.within(tuple(limits.items()))
        tenant.settings = {**tenant.settings, "limits": limits}
        return tenant.limits


def add_admin(
    database: StateDatabase,
    clock: Clock,
    tenant_id: str,
    *,
    email: str = FIRST_ADMIN,
    called: str = "first",
    role: Role = Role.ADMIN,
) -> Bootstrapped:
    """Create a token for a user of a tenant. The user is created if missing: `FIRST_ADMIN` as an
    administrator, another one with the role of the token.

    Raises `Impossible` for a user who is not active, since the server would reject the token, and
    for a role above that of the user.
    """
    now = clock.now()
    with database.write(tenant_id) as session:
        owner = session.execute(
            select(User).where(User.email_key == email.casefold())
        ).scalar_one_or_none()
        if owner is None:
            owner = User(
                id=new_id("usr"),
                tenant_id=tenant_id,
                created_at=now,
                email=email,
                email_key=email.casefold(),
                name=email.partition("@")[0],
                role=Role.ADMIN.value if email == FIRST_ADMIN else role.value,
                status="active",
            )
            session.add(owner)
            session.flush()
        elif owner.status != "active":
            raise Impossible(
                f"{email} is {owner.status}; only an active user can have a token",
                code="owner_not_active",
            )
        token, secret = issue(session, owner, name=called, role=role, now=now)
        return Bootstrapped(tenant_id, owner.id, token.id, secret)


def has_tokens(database: StateDatabase) -> bool:
    """Return whether any token exists."""
    with database.read(None) as session:
        return session.execute(select(Token.id).limit(1)).first() is not None
