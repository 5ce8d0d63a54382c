"""Migrations of the tables of contacts."""
