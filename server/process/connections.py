"""Counts of open connections, in total and for each address, over all processes of a server.

Addresses are counted by a keyed hash: two addresses may share a cell and its limit, but a client
cannot choose which. Open streams of tenants are counted in the same way, in separate counts: the id
of the tenant is the address.
"""

from __future__ import annotations

import hashlib
import ipaddress
import os
import resource

import numpy as np

from novaql.server.process.shared_counts import ALL, CELLS, SharedCounts
from novaql.server.settings import Settings


class Connections:
    """Admits connections of one process up to the limits of the whole server.

    shared           counts of all processes; None: this process is the only one
    row              the row of this process
    most             connections in total; 0: unlimited
    most_an_address  connections of one address (of one /64 network of IPv6); 0: unlimited
    """

    def __init__(
        self,
        *,
        most: int,
        most_an_address: int,
        shared: SharedCounts | None = None,
        row: int = 0,
    ) -> None:
        self._most = most
        self._most_an_address = most_an_address
        if shared is None:
            self._all = np.zeros((1, CELLS + 1), np.int32)
            self._key = os.urandom(16)
        else:
            self._all = shared.table()
            self._key = bytes.fromhex(shared.key)
        self._own = self._all[row]
        self._own[:] = 0

    def enter(self, address: str | None) -> bool:
        """Count a connection. Return False, and do not count it, if it is above a limit.

        address  None: without a limit for its address, for example a proxy that many clients use
        """
        if self._most and int(self._all[:, ALL].sum()) >= self._most:
            return False
        if address is not None and not self.enter_address(address):
            return False
        self._own[ALL] += 1
        return True

    def leave(self, address: str | None) -> None:
        """Release a connection that was admitted."""
        self._own[ALL] -= 1
        if address is not None:
            self.leave_address(address)

    def enter_address(self, address: str) -> bool:
        """Count a forwarded request of a proxy for its address alone. False: above the limit."""
        cell = self._cell(address)
        if self._most_an_address and int(self._all[:, cell].sum()) >= self._most_an_address:
            return False
        self._own[cell] += 1
        return True

    def count_of(self, address: str) -> int:
        """Return the count of an address over all processes."""
        return int(self._all[:, self._cell(address)].sum())

    def leave_address(self, address: str) -> None:
        """Release what `enter_address` admitted."""
        self._own[self._cell(address)] -= 1

    def _cell(self, address: str) -> int:
        digest = hashlib.blake2b(_network(address), digest_size=4, key=self._key).digest()
        return int.from_bytes(digest, "big") % CELLS


def most_connections(settings: Settings) -> int:
    """Return `max_connections`, or half of the largest number of open files if that is less.

    The limit of open files is raised as far as the system permits. 0: unlimited.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if not settings.max_connections or hard == resource.RLIM_INFINITY:
        return settings.max_connections
    return min(settings.max_connections, hard // 2)


def _network(address: str) -> bytes:
    """Return an IPv4 address, or the /64 network of an IPv6 address, because one client may own the
    network."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address.encode()
    if parsed.version == 6:
        mapped = parsed.ipv4_mapped
        return parsed.packed[:8] if mapped is None else mapped.packed
    return parsed.packed
