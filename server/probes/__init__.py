"""Probes: what a runner executes to check a target. They use no database."""
