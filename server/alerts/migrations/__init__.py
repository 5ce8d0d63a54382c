"""Migrations of the tables of alerts."""
