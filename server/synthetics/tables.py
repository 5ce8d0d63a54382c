"""Tables of synthetic checks, their regions, results, tallies and screenshots."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, LargeBinary, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from novaql.server.db.columns import Id, String, Text, sealed_for
from novaql.server.db.rows import Base, Row, TenantRow


class Synthetic(Row, Base):
    """A check.

    key          `name`; the id after the deletion, so that the name is free again
    plan         what its runs do, without secrets: fields of `probes.spec.ProbeSpec`
    secrets      the values of its secrets, sealed JSON; `secret_names` are shown
    state        `unknown`, `up`, `degraded` or `down`: see `model.state_of`
    deleted_at   then it runs no more; its results are readable until `expires_at`
    """

    __tablename__ = "synthetics"
    __table_args__ = (UniqueConstraint("tenant_id", "key", name="uq_synthetics_tenant_key"),)

    name: Mapped[str] = mapped_column(String(200))
    key: Mapped[str] = mapped_column(String(200))
    type: Mapped[str] = mapped_column(String(16))
    target: Mapped[str] = mapped_column(Text)
    regions: Mapped[list[str]]
    interval_ms: Mapped[int]
    timeout_ms: Mapped[int]
    retries: Mapped[int]
    plan: Mapped[dict[str, Any]]
    secrets: Mapped[str | None] = mapped_column(Text, info=sealed_for("synthetic:{id}:secrets"))
    secret_names: Mapped[list[str]]
    min_failing_regions: Mapped[int]
    failure_threshold: Mapped[int]
    success_threshold: Mapped[int]
    severity: Mapped[str] = mapped_column(String(32))
    service: Mapped[str | None] = mapped_column(String(200))
    state: Mapped[str] = mapped_column(String(16))
    state_since: Mapped[datetime]
    escalation_policy_id: Mapped[str | None] = mapped_column(Id)
    created_by: Mapped[str] = mapped_column(Id)
    deleted_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]


class SyntheticRegion(TenantRow, Base):
    """A check in one region.

    anchor     the first time; the others are intervals apart
    next_at    the next scheduled run
    result_id  the run that a runner has now
    failures, successes   completed scheduled runs in a row
    failing    by the thresholds
    completed, succeeded  numbers of completed scheduled runs, for `probe_all_success`
    last_result_id        the last completed run
    """

    __tablename__ = "synthetic_regions"
    __table_args__ = (Index("ix_synthetic_regions_due", "tenant_id", "region", "next_at"),)

    synthetic_id: Mapped[str] = mapped_column(Id, ForeignKey("synthetics.id"), primary_key=True)
    region: Mapped[str] = mapped_column(String(63), primary_key=True)
    anchor: Mapped[datetime]
    next_at: Mapped[datetime]
    result_id: Mapped[str | None] = mapped_column(Id)
    failures: Mapped[int] = mapped_column(default=0)
    successes: Mapped[int] = mapped_column(default=0)
    failing: Mapped[bool] = mapped_column(default=False)
    completed: Mapped[int] = mapped_column(default=0)
    succeeded: Mapped[int] = mapped_column(default=0)
    last_result_id: Mapped[str | None] = mapped_column(Id)


class SyntheticResult(Row, Base):
    """One run in one region.

    run_id       the same for the regions of a manual run
    trigger      `scheduled` or `manual`
    status       `queued`, `running`, or how it ended: see `model.Status`
    lease        digest of the secret with which its runner reports; `lease_until`: when it is lost
    runner       the token of its runner, or `builtin`
    outcome      facts of the run: phases, status code, assertions, …
    stored       whether its samples are in the store; null: it has none
    counters     numbers of successful and completed runs of the region after it
    """

    __tablename__ = "synthetic_results"
    __table_args__ = (
        Index("ix_synthetic_results_check", "tenant_id", "synthetic_id", "created_at", "id"),
        Index("ix_synthetic_results_ended", "synthetic_id", "completed_at"),
        Index("ix_synthetic_results_status", "tenant_id", "status"),
        Index("ix_synthetic_results_stored", "tenant_id", "stored"),
        Index("ix_synthetic_results_expiry", "expires_at"),
        Index("ix_synthetic_results_run", "tenant_id", "run_id"),
    )

    synthetic_id: Mapped[str] = mapped_column(Id, ForeignKey("synthetics.id"))
    run_id: Mapped[str] = mapped_column(Id)
    region: Mapped[str] = mapped_column(String(63))
    trigger: Mapped[str] = mapped_column(String(16))
    status: Mapped[str] = mapped_column(String(16))
    lease: Mapped[str | None] = mapped_column(String(64))
    lease_until: Mapped[datetime | None]
    runner: Mapped[str | None] = mapped_column(Id)
    started_at: Mapped[datetime | None]
    completed_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]
    failure_reason: Mapped[str | None] = mapped_column(String(64))
    detail: Mapped[str] = mapped_column(Text)
    duration_ms: Mapped[float | None]
    outcome: Mapped[dict[str, Any]]
    failing: Mapped[bool] = mapped_column(default=False)
    counters: Mapped[list[Any]]
    stored: Mapped[bool | None]


class SyntheticTally(TenantRow, Base):
    """Numbers of ended runs of a check in a region in one hour."""

    __tablename__ = "synthetic_tallies"
    __table_args__ = (
        Index("ix_synthetic_tallies_hour", "synthetic_id", "hour"),
        Index("ix_synthetic_tallies_expiry", "expires_at"),
    )

    synthetic_id: Mapped[str] = mapped_column(Id, ForeignKey("synthetics.id"), primary_key=True)
    region: Mapped[str] = mapped_column(String(63), primary_key=True)
    trigger: Mapped[str] = mapped_column(String(16), primary_key=True)
    hour: Mapped[datetime] = mapped_column(primary_key=True)
    success: Mapped[int] = mapped_column(default=0)
    failure: Mapped[int] = mapped_column(default=0)
    blocked: Mapped[int] = mapped_column(default=0)
    runner_lost: Mapped[int] = mapped_column(default=0)
    cancelled: Mapped[int] = mapped_column(default=0)
    expires_at: Mapped[datetime]


class SyntheticScreenshot(Row, Base):
    """A picture of a page, as PNG."""

    __tablename__ = "synthetic_screenshots"
    __table_args__ = (
        Index("ix_synthetic_screenshots_result", "result_id"),
        Index("ix_synthetic_screenshots_age", "tenant_id", "created_at", "id"),
    )

    synthetic_id: Mapped[str] = mapped_column(Id, ForeignKey("synthetics.id"))
    result_id: Mapped[str] = mapped_column(Id, ForeignKey("synthetic_results.id"))
    name: Mapped[str] = mapped_column(String(100))
    content: Mapped[bytes] = mapped_column(LargeBinary, deferred=True)


class ProbeRunner(TenantRow, Base):
    """A runner in another process, by its token: when it was last seen."""

    __tablename__ = "probe_runners"

    token_id: Mapped[str] = mapped_column(Id, primary_key=True)
    region: Mapped[str] = mapped_column(String(63))
    seen_at: Mapped[datetime]
    version: Mapped[str] = mapped_column(String(64))
    capabilities: Mapped[list[str]]
