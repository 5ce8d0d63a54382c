"""Migrations of the tables of integrations."""
