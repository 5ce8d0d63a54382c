"""Migrations of the tables of alert rules, alerts, silences and notifications."""
