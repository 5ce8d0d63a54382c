"""Prometheus's test scripts, run against this engine: `novaql promqltest FILE...`."""
