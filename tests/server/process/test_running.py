"""How a server is run, where no request tells."""

from __future__ import annotations

from starlette.testclient import TestClient

from novaql import tsdb
from novaql.server.app import create_app
from novaql.server.process.graceful import server_for
from novaql.server.settings import Settings


def test_an_idle_connection_outlives_the_patience_of_clients() -> None:
    """Go's clients, Grafana among them, use one for 90 seconds: a request that is sent just when
    the server hangs up fails, and a POST may not be sent again."""
    app = create_app(Settings(auth=False), store=tsdb.memory())
    with TestClient(app):  # closes what the application holds
        assert server_for(app).config.timeout_keep_alive > 90
