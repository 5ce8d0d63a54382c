"""Request and response models of the audit log."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from novaql.server.audit.readable import reader_of
from novaql.server.auth.roles import Role
from novaql.server.crypto.redaction import WRITE_ONLY_URLS, with_short_urls
from novaql.server.db.tables import AuditEntry
from novaql.server.http.pagination import PageQuery
from novaql.server.http.shapes import Body, Listed, ResponseModel, Timestamp, example

Text = Annotated[str, Field(min_length=1, max_length=200)]
Outcome = Literal["success", "denied", "failed"]


class AuditQuery(PageQuery):
    """Filters. An entry must match all of them; the newest entries are first."""

    actor: Text | None = Field(None, description="id of the user or job, exactly")
    target: Text | None = Field(None, description="id of what was acted on, exactly")
    action: Text | None = Field(None, description="as `token.create`")
    outcome: Outcome | None = None
    since: Timestamp | None = Field(None, description="from then on, inclusive")
    until: Timestamp | None = Field(None, description="before then")


class AuditActorOut(ResponseModel):
    """The author of an action."""

    type: str
    id: str
    name: str


class TargetOut(ResponseModel):
    """The resource that an action affects."""

    type: str
    id: str


class AuditEntryOut(ResponseModel):
    """An audit entry. It redacts secrets, and shows whether they changed.

    `before`, `after` and `diff` are empty for a role that may not read the target.
    """

    id: str
    at: Timestamp
    actor: AuditActorOut
    action: str
    target: TargetOut
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    diff: list[Any] = Field(description="JSON Patch (RFC 6902) from before to after")
    request_id: str
    ip: str | None
    user_agent: str | None
    outcome: str

    @classmethod
    def of(cls, entry: AuditEntry, role: Role) -> AuditEntryOut:
        """Convert a row for clients with a role."""
        names = cls.model_fields.keys() - {"actor", "target"}
        shown = {name: getattr(entry, name) for name in names}
        if not role.covers(reader_of(entry.target_type)):
            shown |= {"before": None, "after": None, "diff": []}
        elif entry.target_type in WRITE_ONLY_URLS:
            shown |= {name: with_short_urls(shown[name]) for name in ("before", "after", "diff")}
        shown["actor"] = {
            "type": entry.actor_type,
            "id": entry.actor_id,
            "name": entry.actor_name,
        }
        shown["target"] = {"type": entry.target_type, "id": entry.target_id}
        return cls.model_validate(shown)


class EntriesOut(Listed[AuditEntryOut]):
    """A page of audit entries."""


class ExportFilters(Body):
    """Filters for the entries of an export."""

    actor: Text | None = None
    target: Text | None = None
    action: Text | None = None
    outcome: Outcome | None = None


class CreateExport(Body):
    """The time range to export: `from` is inclusive, `to` is exclusive."""

    model_config = example(
        {"from": "2026-04-01T00:00:00Z", "to": "2026-05-01T00:00:00Z", "format": "csv"}
    )

    from_: Timestamp = Field(alias="from")
    to: Timestamp
    format: Literal["csv", "json"]
    filters: ExportFilters = Field(default_factory=ExportFilters)


class ExportOut(ResponseModel):
    """An export. The URL is valid without a token until it expires."""

    id: str
    status: Literal["ready", "pending"]
    format: Literal["csv", "json"]
    entries: int
    sha256: str | None = Field(description="of the file")
    download_url: str | None
    created_at: Timestamp
    expires_at: Timestamp


class DownloadQuery(Body):
    """The parameters of a download URL. A changed one is a 403, whatever its syntax."""

    expires: Annotated[str, Field(description="ms since 1970")]
    signature: Annotated[str, Field(description="of the URL")]
