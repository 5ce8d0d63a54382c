"""Incidents: disturbances that people work on, their acknowledgers, and their timelines.

Invariants
- An incident goes from triggered to acknowledged to resolved. Only an acknowledgement that expires
  leads back to triggered. A later trigger with the key of a resolved incident creates a new one,
  which refers to the old one.
- At most one incident of a tenant with a dedup key is open. A unique index ensures it.
- A transaction locks the row of an incident before it changes the incident. Changes are serialized.
- Entries of a timeline are numbered from 1 without gaps, and are immutable.
- An open incident names no service that has left the catalog since.
"""
