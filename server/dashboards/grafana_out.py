"""Export of a dashboard as Grafana JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

SCHEMA_VERSION = 39
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
"""A variable of the exported dashboard: the importing user chooses the data source."""
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def exported(key: str, version: int, content: Mapping[str, Any]) -> dict[str, Any]:
    """Convert a dashboard to Grafana JSON, without loss."""
    return {
        "uid": key.removeprefix("dash_").lower()[:40],
        "title": content["title"],
        "description": content["description"],
        "tags": content["tags"],
        "schemaVersion": SCHEMA_VERSION,
        "version": version,
        "editable": True,
        "refresh": content["refresh"] or "",
        "time": {"from": content["time_range"]["from"], "to": content["time_range"]["to"]},
        "timezone": "utc",
        "templating": {
            "list": [_DATASOURCE_VARIABLE, *map(_variable, content["variables"])],
        },
        "annotations": {"list": [_annotation(found) for found in content["annotations"]]},
        "panels": [
            _panel(number, panel) for number, panel in enumerate(content["panels"], start=1)
        ],
    }


_DATASOURCE_VARIABLE = {
    "name": "datasource",
    "label": "Data source",
    "type": "datasource",
    "query": "prometheus",
    "hide": 0,
}


def _panel(number: int, panel: Mapping[str, Any]) -> dict[str, Any]:
    out: dict[str, Any] = {
        "id": number,
        "title": panel["title"],
        "description": panel["description"],
        "type": panel["type"],
        "gridPos": dict(panel["grid"]),
    }
    if panel["type"] == "text":
        return out | {"options": {"mode": "markdown", "content": panel["text"] or ""}}
    defaults = {
        name: panel[name] for name in ("unit", "decimals", "min", "max") if panel[name] is not None
    }
    if panel["thresholds"]:
        defaults["thresholds"] = {"mode": "absolute", "steps": panel["thresholds"]}
    return out | {
        "datasource": DATASOURCE,
        "targets": [_target(place, query) for place, query in enumerate(panel["queries"])],
        "fieldConfig": {"defaults": defaults, "overrides": []},
    }


def _target(place: int, query: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "refId": _LETTERS[place],
        "datasource": DATASOURCE,
        "expr": query["expr"],
        "legendFormat": query["legend"] or "__auto",
        "instant": query["instant"],
        "range": not query["instant"],
        "hide": query["hidden"],
    }


def _variable(variable: Mapping[str, Any]) -> dict[str, Any]:
    out: dict[str, Any] = {
        "name": variable["name"],
        "label": variable["label"] or None,
        "type": variable["type"],
        "hide": 0,
        "multi": variable["multi"],
        "includeAll": variable["include_all"],
        "allValue": variable["all_value"],
        "regex": variable["regex"],
    }
    if variable["default"]:
        out["current"] = _current(variable["default"], many=variable["multi"])
    if variable["type"] == "query":
        query = {"query": variable["query"], "refId": "PrometheusVariableQueryEditor-VariableQuery"}
        return out | {
            "query": query,
            "definition": variable["query"],
            "datasource": DATASOURCE,
            "refresh": 2,
            "sort": 1,
        }
    values = variable["values"]
    options = [{"text": text, "value": text, "selected": False} for text in values]
    return out | {"query": ",".join(t.replace(",", "\\,") for t in values), "options": options}


def _current(chosen: Sequence[str], *, many: bool) -> dict[str, Any]:
    texts = ["All" if text == "$__all" else text for text in chosen]
    if many:
        return {"text": texts, "value": list(chosen)}
    return {"text": texts[0], "value": chosen[0]}


def _annotation(found: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": found["name"],
        "datasource": DATASOURCE,
        "enable": True,
        "expr": found["expr"],
        "titleFormat": found["title"],
        "iconColor": found["color"],
    }
