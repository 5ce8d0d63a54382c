"""Migrations of the tables of agents."""
