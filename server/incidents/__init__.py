"""Incidents: what went wrong, who has taken it on, and everything that happened about it.

Invariants
- An incident goes from triggered to acknowledged to resolved, and never back: what comes again
  under the same key is a new incident, related to the old one.
- At most one incident of a tenant with a dedup key is not resolved; the database sees to it.
- Whoever changes an incident holds its row, so changes of one incident follow one another.
- Entries of a timeline are numbered from 1 without gaps, and never changed.
- No incident that is open names a service that was taken out of the catalog since.
"""
