"""Migrations of the tables of runbooks."""
