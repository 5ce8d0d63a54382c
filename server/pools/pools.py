"""The thread pools of a server."""

from __future__ import annotations

from dataclasses import field

from novaql.fast_dataclass import dataclass
from novaql.server.pools.query_memory import QueryMemory
from novaql.server.pools.query_sizes import QuerySizes
from novaql.server.pools.query_workers import QueryWorkers
from novaql.server.pools.streams import Streams
from novaql.server.pools.threads import StateThreads
from novaql.server.pools.writers import Writers


@dataclass(frozen=True, slots=True)
class Pools:
    """All thread pools by purpose (docs/design/resources.md has their bounds).

    state         units of work on the state database that may write
    readers       units that only read
    measurers     units that evaluate queries for their answer
    outside       calls to other systems, for example receivers of webhooks
    queries       queries
    sizes         sizes of the last runs of queries
    query_memory  memory for queries, shared by tenants
    ingest        decoding and storing of samples that clients send
    streams       counts open streams of events, which hold no thread
    """

    state: StateThreads
    readers: StateThreads
    measurers: StateThreads
    outside: StateThreads
    queries: QueryWorkers
    sizes: QuerySizes
    query_memory: QueryMemory
    ingest: Writers
    streams: Streams = field(default_factory=Streams)

    def close(self) -> None:
        """Wait for running work; reject waiting work."""
        self.queries.close()
        self.ingest.close()
        for threads in (self.state, self.readers, self.measurers, self.outside):
            threads.close()
