"""Import of services of another system into the catalog of this server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field, ValidationError
from sqlalchemy import select

from novaql.fast_dataclass import dataclass
from novaql.server.catalog.tables import Service
from novaql.server.db.unit import Unit
from novaql.server.errors import invalid
from novaql.server.http.shapes import Name
from novaql.server.integrations.import_reports import digest_of
from novaql.server.integrations.provider import ProviderSettings
from novaql.server.services.schema import ChangeService, RegisterService, Tier
from novaql.server.services.service import change, register

_LONGEST_DESCRIPTION = 10_000


class CatalogSettings(ProviderSettings):
    """Whether services become services of the catalog, and what the other system does not have."""

    import_services: bool = Field(
        default=False, description="add services that the catalog does not have"
    )
    service_owner: Name = Field("unassigned", description="the owner of added services")
    service_tier: Tier = Field("tier3", description="the tier of added services")


@dataclass(frozen=True, slots=True)
class ServiceImport:
    """A service. name: in the catalog; None: it has no name that the catalog could use."""

    external_id: str
    name: str | None
    description: str
    settings: CatalogSettings

    @property
    def key(self) -> tuple[str, str]:
        return "service", self.external_id

    def save(self, unit: Unit, user_id: str, former: Mapping[str, Any]) -> Mapping[str, Any]:  # noqa: ARG002
        """Add a service to the catalog. Of one that this import has added, replace the description
        when the other system's has changed; one that existed before does not change. A service
        that a user has deleted is not added again."""
        digest = digest_of([self.name, self.description])
        if former.get("digest") == digest:
            return former
        if self.name is None:
            raise invalid("/name", "the catalog cannot have a service with this name")
        statement = select(Service).where(Service.name == self.name).with_for_update()
        row = unit.session.execute(statement).scalar_one_or_none()
        if row is None and former.get("service") == self.name:
            return {**former, "digest": digest}
        added = row is not None and row.id == former.get("service_id") and bool(former["added"])
        description = self.description[:_LONGEST_DESCRIPTION]
        if row is None:
            row, added = register(unit, self._registered(description)), True
        elif added and row.description != description:
            changed = ChangeService(version=row.version, description=description)
            change(unit, row.name, changed, None)
        return {"service": row.name, "service_id": row.id, "added": added, "digest": digest}

    def _registered(self, description: str) -> RegisterService:
        try:
            return RegisterService(
                name=self.name or "",
                owner=self.settings.service_owner,
                tier=self.settings.service_tier,
                description=description,
            )
        except ValidationError:
            message = "the catalog cannot have a service with this name"
            raise invalid("/name", message) from None
