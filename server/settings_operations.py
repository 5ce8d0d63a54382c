"""Settings of operations: on-call, agents, streams, postmortems."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from novaql.server.settings_limits import AtLeastOne, OrUnlimited, PerTenant, Seconds


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
    agent_action_deadline_s   time from the start of an action of an agent that acts itself to the
                        report of its outcome; then the action is abandoned
    agent_trust_half_life_s   time in which the weight of an outcome in a trust score halves
    ledger_key_file     file of the keys that sign ledgers; None: beside the master key
    ledger_checkpoint_dir   folder of the last checkpoints; None: `server/ledger` in the data
    ledger_checkpoint_interval_s   of the checkpoints of a ledger that grows
    max_streams         streams of events (timelines) that a tenant has open, over all processes
    stream_heartbeat_s  interval of empty comments in a stream, and of checks of its token's expiry
    stream_look_s       interval of looks for new events
    stream_stall_s      a stream ends if its client does not read an event for so long
    postmortem_before_s, postmortem_after_s   range of samples around the start of an incident
    postmortem_slow_ack_s   a later acknowledgement leads to an action item
    postmortem_query_s  timeout of one query of a postmortem
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
