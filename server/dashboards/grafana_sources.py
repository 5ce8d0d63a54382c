"""Which data source a query of a dashboard of Grafana is meant for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Sources that speak PromQL: Prometheus's own plug-in and those of clouds have it in their name.
# A panel of several sources has the type `datasource`; its queries say themselves what they are.
_OTHERS = ("datasource", "victoriametrics-metrics-datasource", "victoriametrics-datasource")


def foreign(*holders: Mapping[str, Any]) -> str | None:
    """The type of source, if the first holder that names one names another than metrics.

    holders  a query, then its panel; or a variable, or an annotation. Dashboards of before Grafana
             8.3 name sources without their type, which nobody can judge: they are not foreign.
    """
    for holder in holders:
        source = holder.get("datasource")
        kind = source.get("type") if isinstance(source, Mapping) else None
        if isinstance(kind, str) and kind and not kind.startswith("$"):
            metrics = "prometheus" in kind or kind in _OTHERS
            return None if metrics else kind[:60]
    return None
