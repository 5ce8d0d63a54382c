"""Migrations of the tables of scim."""
