"""Migrations of the tables of incidents."""
