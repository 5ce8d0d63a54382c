"""Settings of domains: limits of a tenant, and what happens after an alert fires."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from novaql.fast_dataclass import dataclass
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
    """Limits of a tenant's resources, and settings of what happens after an alert fires.

    max_schedules, max_overrides   schedules of a tenant, and overrides that have not ended; the
                        server rejects more with 409 `limit_reached`; 0: no limit
    max_escalation_policies   escalation policies of a tenant
    max_pending_pages   pages of a tenant that wait to be delivered; more are recorded as failed
    escalation_ack_timeout_s   time in which an acknowledgement expires, of new policies that do not
                        set `ack_timeout`
    page_retention_s    age at which pages that have ended are deleted
    job_poll_s          interval of checks for jobs and events that other processes have added, and
                        for expired leases
    oncall_feed_past_days, oncall_feed_days   days before and after now in an iCalendar feed
    max_agents          agents of a tenant
    max_queued_actions  actions of a tenant's agents that have not ended
    max_ledger_entries  entries in the ledger of an agent; then it can propose nothing more
    max_runbooks        runbooks of a tenant; `max_active_runs`: runs that have not ended
    max_runbook_steps   steps of a runbook; 0: no limit but 100
    runbook_output_bytes    size of the output that is stored of a step
    runbook_step_timeout_s, runbook_run_timeout_s   of steps and runs without their own
    runbook_approval_expiry_s   time in which a run, or an approval step, is decided by default
    agent_action_expiry_s   time in which an action is decided, and begins, if its policy names none
    agent_action_deadline_s   time from the start of an action of an agent that acts itself to the
                        report of its outcome; then the action is abandoned
    agent_trust_half_life_s   time in which the weight of an outcome in a trust score halves
    ledger_key_file     file of the keys that sign ledgers; None: beside the master key
    ledger_checkpoint_dir   folder of the last checkpoints; None: `server/ledger` in the data
    ledger_checkpoint_interval_s   of the checkpoints of a ledger that grows
    max_streams         streams of events (timelines, notifications) that a tenant has open, over
                        all processes
    stream_heartbeat_s  interval of empty comments in a stream, and of checks of its token's expiry
    stream_look_s       interval of checks for new events
    stream_stall_s      a stream ends if its client does not read an event within this time
    postmortem_before_s, postmortem_after_s   range of samples around the start of an incident
    postmortem_slow_ack_s   a later acknowledgement leads to an action item
    postmortem_query_s  timeout of one query of a postmortem
    executors_file      a TOML file of the programs that script steps of runbooks can run, and of
                        their limits; None: script steps are rejected
    max_integration_resources   resources that a tenant's integrations have imported; a sync counts
                        and skips more
    max_integration_hooks   hooks of a tenant that receive requests of other systems
    integration_timeout_s   timeout of a request to a provider
    integration_page_bytes  size of an answer of a provider
    integration_max_pages   pages of one sync; with more, it fails
    integration_sync_interval_s   time between the end of a sync and the next; 0: only on request
    integration_sync_tries  attempts to read a page before a sync fails
    integration_state_s     time in which a user finishes the authorization in a browser
    integration_device_s    the same for the device flow, if the provider allows more
    integration_refresh_s   lease of a refresh of an access token; longer than the timeout
    integration_refresh_ahead_s   access tokens are refreshed this long before they expire
    integration_hook_bytes  size of a request to a hook
    integration_hook_per_minute   requests to one hook in a minute; 0: no limit
    integration_hook_log    number of the last requests to a hook that administrators can read
    integration_hook_dedup_s   time in which a hook recognizes a repeated message
    integrations_fake_url   URL of the provider `fake`, for tests; "": there is no such provider
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
    probe_lease_s       a runner in another process is lost if it does not renew its leases within
                        this time
    probe_poll_s        interval at which runners request runs
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
    max_escalation_policies: Annotated[OrUnlimited, PerTenant("escalation policies")] = 500
    max_pending_pages: Annotated[
        OrUnlimited, PerTenant("pages that wait to be delivered", requested=False)
    ] = 10_000
    escalation_ack_timeout_s: Seconds = 1800.0
    page_retention_s: Seconds = 30 * 86_400.0
    job_poll_s: Seconds = 0.5
    max_agents: Annotated[OrUnlimited, PerTenant("agents")] = 500
    max_queued_actions: Annotated[OrUnlimited, PerTenant("actions that have not ended")] = 1_000
    max_ledger_entries: Annotated[
        OrUnlimited, PerTenant("entries in a ledger", requested=False)
    ] = 1_000_000
    max_runbooks: Annotated[OrUnlimited, PerTenant("runbooks")] = 500
    max_active_runs: Annotated[
        OrUnlimited, PerTenant("runs of runbooks that have not ended", requested=False)
    ] = 500
    max_runbook_steps: OrUnlimited = 50
    runbook_output_bytes: AtLeastOne = 8_192
    runbook_step_timeout_s: Seconds = 60.0
    runbook_run_timeout_s: Seconds = 3600.0
    runbook_approval_expiry_s: Seconds = 86_400.0
    agent_action_expiry_s: Seconds = 86_400.0
    agent_action_deadline_s: Seconds = 3600.0
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
    executors_file: Path | None = None
    max_integration_resources: Annotated[
        OrUnlimited, PerTenant("imported resources", requested=False)
    ] = 20_000
    max_integration_hooks: Annotated[OrUnlimited, PerTenant("integration hooks")] = 50
    integration_timeout_s: SecondsOfRequest = 15.0
    integration_page_bytes: AtLeastOne = 4 << 20
    integration_max_pages: AtLeastOne = 1_000
    integration_sync_interval_s: AnySeconds = 900.0
    integration_sync_tries: AtLeastOne = 5
    integration_state_s: Seconds = 600.0
    integration_device_s: Seconds = 1800.0
    integration_refresh_s: Seconds = 60.0
    integration_refresh_ahead_s: AnySeconds = 30.0
    integration_hook_bytes: AtLeastOne = 256 << 10
    integration_hook_per_minute: OrUnlimited = 600
    integration_hook_log: AtLeastOne = 50
    integration_hook_dedup_s: Seconds = 86_400.0
    integrations_fake_url: str = ""
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
