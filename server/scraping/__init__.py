"""Scraping as Prometheus does it, told by the `scrape_configs` of its configuration file.

Invariants: a target is scraped by one loop; a series that ends is marked stale; a scrape that
breaks a limit or cannot be understood brings nothing but `up 0`; what a job tells of its secrets
is that they are there.
"""
