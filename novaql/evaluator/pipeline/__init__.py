"""Pipelines: samples are read, rolled up, changed by stages, and folded or collected."""
