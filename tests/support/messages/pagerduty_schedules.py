"""Schedules in the form of PagerDuty's published REST API."""

from __future__ import annotations

from typing import Any


def layer(**more: Any) -> dict[str, Any]:
    return {
        "id": "PL1",
        "name": "Layer 1",
        "start": "2026-01-05T09:00:00+01:00",
        "end": None,
        "rotation_virtual_start": "2026-01-05T09:00:00+01:00",
        "rotation_turn_length_seconds": 604_800,
        "users": [{"user": {"id": "PU1", "summary": "Ada"}}, {"user": {"id": "PU2"}}],
        "restrictions": [],
        **more,
    }


def schedule(*layers: dict[str, Any], **more: Any) -> dict[str, Any]:
    content = {"id": "PS1", "name": "Payments", "time_zone": "Europe/Berlin"}
    return {**content, "schedule_layers": list(layers), **more}
