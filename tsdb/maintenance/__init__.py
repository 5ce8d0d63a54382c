"""Checks, backups and restores of stores."""
