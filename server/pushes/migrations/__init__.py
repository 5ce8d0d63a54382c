"""Migrations of the tables of pushes."""
