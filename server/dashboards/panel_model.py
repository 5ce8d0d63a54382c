"""The parts of a panel and its dashboard that determine its data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from novaql.fast_dataclass import dataclass
from novaql.server.dashboards.schema import VariableIn


@dataclass(frozen=True, slots=True)
class Shown:
    """A panel, with the parts of its dashboard that determine its data."""

    panel_id: str
    title: str
    spec: Mapping[str, Any]
    variables: tuple[VariableIn, ...]
    time_range: Mapping[str, str]
