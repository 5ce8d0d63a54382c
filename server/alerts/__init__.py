"""Alert rules, alerts, silences, and who is told of what."""
