"""Background work: jobs with leases, the outbox of events, and deletion of expired rows."""
