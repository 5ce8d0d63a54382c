"""Migrations of the tables of ledger."""
