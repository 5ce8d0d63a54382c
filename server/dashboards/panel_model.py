"""A panel as its data are computed from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from novaql.server.dashboards.schema import VariableIn


@dataclass(frozen=True, slots=True)
class Shown:
    """A panel and what of its dashboard its data depend on."""

    panel_id: str
    title: str
    spec: Mapping[str, Any]
    variables: tuple[VariableIn, ...]
    time_range: Mapping[str, str]
