"""Dashboards: panels of queries, laid out on a grid, with variables that a viewer chooses.

Invariants
- A panel's id is its own in the tenant, and stays the same when its dashboard is saved again.
- A variable's value never changes the structure of a query: it is text inside quotes, or one token.
- Nobody overwrites what they have not seen: a save names the version that it was made from.
"""
