"""Migrations of the platform's tables."""
