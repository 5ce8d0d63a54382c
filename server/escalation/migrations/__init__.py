"""Migrations of the tables of escalation."""
