"""What the domains of alerting share: rows of rules and alerts, their ids, and matchers."""
