"""Migrations of the tables of oncall."""
