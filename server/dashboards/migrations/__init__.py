"""Migrations of the tables of dashboards."""
