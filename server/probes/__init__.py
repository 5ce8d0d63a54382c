"""Probes: what a runner executes, in the server and in `novaql probe`. No database, no domain.

Every connection passes the egress dialer. A probe ends within its timeout in wall-clock time.
"""
