"""Dashboards: panels with queries on a grid, and variables whose values the viewer chooses.

Invariants
- The id of a panel is unique in the tenant, and does not change when its dashboard is saved.
- The value of a variable never changes the structure of a query: it is quoted text, or one token.
- A save names the version that it was made from, so that it cannot overwrite an unseen change.
"""
