"""The routes of samples: queries, ingestion, Prometheus's API; and those of health.

A server answers them as soon as it listens. They import neither FastAPI nor the domains.
"""

from __future__ import annotations

from novaql.server.health.router import ROUTES as HEALTH
from novaql.server.http.data_route import DataRoute
from novaql.server.ingest.router import ROUTES as INGEST
from novaql.server.prometheus.router import ROUTES as PROMETHEUS
from novaql.server.pushes.router import ROUTES as PUSHES
from novaql.server.query.router import ROUTES as QUERY

DATA_ROUTES: tuple[DataRoute, ...] = (*QUERY, *PROMETHEUS, *INGEST, *PUSHES, *HEALTH)
