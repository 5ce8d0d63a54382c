"""A push gateway: batch jobs push metrics in groups, as to Prometheus's pushgateway.

A group is a row of the state database, so it persists across restarts. The server stores samples
of a group when it changes, and again at intervals, as Prometheus does when it scrapes a
pushgateway. Series that leave a group get a stale marker at once.
"""
