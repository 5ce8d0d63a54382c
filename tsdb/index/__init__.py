"""Finds the series that satisfy matchers, by dictionary columns and postings."""
