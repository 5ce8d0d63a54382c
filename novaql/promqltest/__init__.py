"""Prometheus's test scripts, run against this engine: `novaql promqltest FILE...`."""

from __future__ import annotations

from novaql.promqltest.report import main

__all__ = ["main"]
