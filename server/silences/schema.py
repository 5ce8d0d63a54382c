"""Request and response models of silences."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from novaql.server.alert_model.shapes import ShortText
from novaql.server.http.pagination import PageQuery
from novaql.server.http.shapes import Body, Duration, Listed, ResponseModel, Timestamp, example
from novaql.server.silences.repository import silence_of
from novaql.server.silences.tables import SilenceRow

Reason = Annotated[str, Field(min_length=1, max_length=2000, pattern=r"\S")]


class MatcherBody(Body):
    """A condition on a label."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    op: Literal["=", "!=", "=~", "!~"] = "="
    value: Annotated[str, Field(max_length=1000)]


class MakeSilence(Body):
    """The matchers of a silence, its start, its end, and its reason."""

    model_config = example(
        {
            "matchers": [{"name": "provider", "value": "payments"}],
            "duration": "1h",
            "reason": "maintenance of the payment provider",
        }
    )

    matchers: Annotated[list[MatcherBody], Field(min_length=1, max_length=50)]
    starts_at: Timestamp | None = Field(None, description="absent: now")
    ends_at: Timestamp | None = None
    duration: Duration | None = Field(None, description="in place of `ends_at`: 1s to 366d")
    reason: Reason


class MatcherOut(ResponseModel):
    """A condition on a label."""

    name: str
    op: Literal["=", "!=", "=~", "!~"]
    value: str


class RevisionOut(ResponseModel):
    """A revision of a silence."""

    number: int
    starts_at: Timestamp
    ends_at: Timestamp | None
    reason: str
    created_by: str
    made_at: Timestamp


class SilenceOut(ResponseModel):
    """A silence. `id` is a function of tenant and matchers."""

    id: str
    alert_id: str | None = Field(description="the alert that it was made for")
    matchers: list[MatcherOut]
    state: Literal["pending", "active", "expired"]
    starts_at: Timestamp
    ends_at: Timestamp | None = Field(description="null: when the alert resolves")
    until_resolved: bool
    lifted_at: Timestamp | None
    reason: str
    created_by: str
    revision: int
    revisions: list[RevisionOut]
    created_at: Timestamp
    updated_at: Timestamp
    version: int

    @classmethod
    def of(cls, row: SilenceRow, now: datetime) -> SilenceOut:
        """The response model of a row."""
        last = row.revisions[-1]
        return cls.of_row(
            row,
            matchers=[{"name": name, "op": op, "value": value} for name, op, value in row.matchers],
            state=silence_of(row).state(now),
            reason=last["reason"],
            created_by=last["created_by"],
            revision=last["number"],
        )


class SilenceQuery(PageQuery):
    """Filters of the list."""

    state: Literal["pending", "active", "expired"] | None = Field(
        None, description="silences in this state"
    )
    alert_id: ShortText | None = Field(
        None, description="the silences that were made for the alert with this id"
    )


class SilencesOut(Listed[SilenceOut]):
    """A page of silences."""
