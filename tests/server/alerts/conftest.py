"""Servers whose clock stands until it is moved."""

from __future__ import annotations

from tests.support.servers.alert_fixtures import one, rig

__all__ = ["one", "rig"]
