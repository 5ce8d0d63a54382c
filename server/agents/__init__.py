"""Agents: executors with capabilities, a scope and an approval policy, and their queued actions.

An action runs only as it was shown: an approval is bound to the hash of its content. The
requester and the agent's owner cannot approve it. Everything about an agent is in its ledger.

Executors use `actions.py`: `propose`, `start`, `finish`; they learn decisions from the events
`agent.action.approved`, `.rejected`, `.expired` and `.cancelled`. Agents that act themselves
use the endpoints `start` and `result`, within a deadline.
"""
