"""Migrations of the tables of synthetics."""
