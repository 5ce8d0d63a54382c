"""Runbooks: remediations as steps, and their runs.

A run executes exactly what was shown when it was approved. Its steps are stored one by one, so that
a run never stays `running` after its process has ended: the interrupted step runs again only if it
is idempotent, and otherwise the run is abandoned.
"""
