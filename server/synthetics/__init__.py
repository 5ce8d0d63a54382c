"""Synthetic checks: HTTP, TCP and browser flows that runners of several regions repeat.

A check has at most one run at a time in each region. A runner leases a run, and its report counts
once, with the server's time. Blocked, cancelled and lost runs do not count into the uptime.
"""
