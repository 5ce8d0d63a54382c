"""Drafts of postmortems, written from the evidence of an incident.

Invariants
- Each statement of a draft names its evidence: ids of items that are in the same draft.
- Nothing is concluded: a root cause is only what a person has stated in the timeline.
- The same evidence leads to the same draft, whenever it is requested.

The domain is above the others and reads their rows; none of them imports it.
"""
