"""Work after requests: leased jobs, the outbox of events, and the deletion of what has ended."""
