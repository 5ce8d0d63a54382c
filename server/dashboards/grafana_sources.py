"""The data source of a query in a Grafana dashboard."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Sources that speak PromQL: the plug-ins of Prometheus and of clouds have `prometheus` in the name.
# A panel of several sources has the type `datasource`; each of its queries names its own source.
_OTHERS = ("datasource", "victoriametrics-metrics-datasource", "victoriametrics-datasource")


def foreign(*holders: Mapping[str, Any]) -> str | None:
    """The type of the source if it is not a metrics source. The first holder with a type decides.

    holders  a query, then its panel; or a variable, or an annotation. Dashboards from before
             Grafana 8.3 name sources without a type: these are not foreign.
    """
    for holder in holders:
        source = holder.get("datasource")
        kind = source.get("type") if isinstance(source, Mapping) else None
        if isinstance(kind, str) and kind and not kind.startswith("$"):
            metrics = "prometheus" in kind or kind in _OTHERS
            return None if metrics else kind[:60]
    return None
