"""Tests of rules in promtool's format: read, run, and reported."""
