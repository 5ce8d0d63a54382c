"""Rows of rules and alerts, their ids, and matchers: shared by the domains of alerting."""
