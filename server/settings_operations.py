"""Settings of operations: on-call, agents, streams, postmortems, synthetic checks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from novaql.server.settings_limits import (
    AnySeconds,
    AtLeastOne,
    OrUnlimited,
    PerTenant,
    Seconds,
    SecondsOfRequest,
)


@dataclass(frozen=True, slots=True)
class OperationSettings:
    """Settings of what happens after an alert fires.

    max_schedules, max_overrides   schedules of a tenant, and overrides that have not ended; the
                        server rejects more with 409 `limit_reached`; 0: no limit
    oncall_feed_past_days, oncall_feed_days   days before and after now in an iCalendar feed
    max_agents          agents of a tenant
    max_queued_actions  actions of a tenant's agents that have not ended
    max_ledger_entries  entries in the ledger of an agent; then it can propose nothing more
    agent_action_expiry_s   time in which an action is decided, and begins, if its policy names none
    agent_trust_half_life_s   time in which the weight of an outcome in a trust score halves
    ledger_key_file     file of the keys that sign ledgers; None: beside the master key
    ledger_checkpoint_dir   folder of the last checkpoints; None: `server/ledger` in the data
    ledger_checkpoint_interval_s   of the checkpoints of a ledger that grows
    max_streams         streams of events (timelines) that a tenant has open in each process
    stream_heartbeat_s  interval of empty comments in a stream, and of checks of its token's expiry
    stream_look_s       interval of looks for new events
    stream_stall_s      a stream ends if its client does not read an event for so long
    postmortem_before_s, postmortem_after_s   range of samples around the start of an incident
    postmortem_slow_ack_s   a later acknowledgement leads to an action item
    postmortem_query_s  timeout of one query of a postmortem
    max_synthetics      synthetic checks of a tenant
    max_synthetic_runs  runs of a tenant's checks that runners have at the same time
    max_synthetic_screenshots   screenshots of a tenant; more replace the oldest
    min_synthetic_interval_s    shortest interval of a check
    synthetic_jitter    largest delay of a scheduled run, as a share of the interval, up to 0.9
    synthetic_results_s retention of results and their screenshots
    synthetic_deleted_s how long the results of a deleted check can be read
    synthetic_uptime_s  retention of the hourly numbers of runs, from which uptime is computed
    synthetic_manual_wait_s     a manual run that no runner takes within this time is `runner_lost`
    synthetic_alert_interval_s  interval of the rules that alert on failing checks
    synthetic_state_s   how long the last state of a region counts in alerts, at least 4 intervals
    screenshot_url_s    validity of the URL of a screenshot
    probe_region        region of this server's own runner; "": it runs no checks
    probe_threads       runs of the server's own runner at the same time
    probe_lease_s       a runner in another process is lost if it does not renew its leases so long
    probe_poll_s        interval at which runners ask for runs
    probe_retry_delay_s wait before the first retry of a failed attempt; it doubles with each
    probe_max_timeout_s longest timeout of one attempt
    probe_max_body_bytes   size of an answer that a check reads; a larger one is a failure
    probe_ca_file       further certificate authorities that checks trust, in PEM; None: none
    probes_per_minute   requests of the token of a runner in a minute; 0: no limit
    """

    oncall_feed_past_days: AtLeastOne = 30
    oncall_feed_days: AtLeastOne = 180
    max_schedules: Annotated[OrUnlimited, PerTenant("on-call schedules")] = 500
    max_overrides: Annotated[
        OrUnlimited, PerTenant("overrides that have not ended, or lay in the past")
    ] = 5_000
    max_agents: Annotated[OrUnlimited, PerTenant("agents")] = 500
    max_queued_actions: Annotated[OrUnlimited, PerTenant("actions that have not ended")] = 1_000
    max_ledger_entries: Annotated[
        OrUnlimited, PerTenant("entries in a ledger", requested=False)
    ] = 1_000_000
    agent_action_expiry_s: Seconds = 86_400.0
    agent_trust_half_life_s: Seconds = 30 * 86_400.0
    ledger_key_file: Path | None = None
    ledger_checkpoint_dir: Path | None = None
    ledger_checkpoint_interval_s: Seconds = 300.0
    max_streams: Annotated[OrUnlimited, PerTenant()] = 50
    stream_heartbeat_s: Seconds = 15.0
    stream_look_s: Seconds = 0.5
    stream_stall_s: Seconds = 30.0
    postmortem_before_s: Seconds = 1800.0
    postmortem_after_s: Seconds = 1800.0
    postmortem_slow_ack_s: Seconds = 900.0
    postmortem_query_s: Seconds = 10.0
    max_synthetics: Annotated[OrUnlimited, PerTenant("synthetic checks")] = 200
    max_synthetic_runs: Annotated[AtLeastOne, PerTenant()] = 20
    max_synthetic_screenshots: Annotated[AtLeastOne, PerTenant()] = 1_000
    min_synthetic_interval_s: Annotated[Seconds, PerTenant()] = 10.0
    synthetic_jitter: AnySeconds = 0.1
    synthetic_results_s: Seconds = 30 * 86_400.0
    synthetic_deleted_s: AnySeconds = 7 * 86_400.0
    synthetic_uptime_s: Seconds = 90 * 86_400.0
    synthetic_manual_wait_s: Seconds = 300.0
    synthetic_alert_interval_s: Seconds = 15.0
    synthetic_state_s: Seconds = 3600.0
    screenshot_url_s: Seconds = 3600.0
    probe_region: str = "local"
    probe_threads: AtLeastOne = 32
    probe_lease_s: Seconds = 30.0
    probe_poll_s: Seconds = 1.0
    probe_retry_delay_s: AnySeconds = 1.0
    probe_max_timeout_s: SecondsOfRequest = 60.0
    probe_max_body_bytes: AtLeastOne = 1 << 20
    probe_ca_file: Path | None = None
    probes_per_minute: OrUnlimited = 1_200
