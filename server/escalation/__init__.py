"""Escalation: which users and channels are paged for an incident, step by step.

Invariants
- An incident with a policy has one run, with the policy as it was when the incident was created.
- A step is one transaction. It locks the incident, checks that the incident is not acknowledged,
  and writes one page for each contact, the timeline entry and the jobs that deliver.
- An attempt to deliver begins with the same lock and check, so none begins after the answer to an
  acknowledgement.
- A page that reaches no receiver is recorded with its reason.
"""
