"""Scraping as in Prometheus, configured by the `scrape_configs` of its configuration file.

Invariants: one loop scrapes a target; a series that ends gets a staleness marker; an invalid answer
and an answer above a limit store only the report, with `up 0`; the shown configuration of a job
redacts its secrets.
"""
