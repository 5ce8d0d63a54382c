"""Migrations of the tables of slo."""
