"""Ids of alerts and silences that anybody can compute: functions of what they stand for.

    alert id    "alrt_" + base32( sha256( {"labels": …, "rule_id": …, "tenant": …} )[:16] )
    silence id  "sil_"  + base32( sha256( {"matchers": […], "tenant": …} )[:16] )

What is hashed is canonical JSON: keys sorted, no blanks, UTF-8 without escapes other than JSON's
own. Matchers are `[name, op, value]`, sorted. base32 is RFC 4648's alphabet in lower case, without
padding: 26 characters. So an alert keeps its id over flaps and restarts, and silencing the same
thing twice gives the same silence; neither duration nor reason nor author take part.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping

from novaql.tsdb.matchers import Matcher, MatchOp


def alert_id(tenant: str, rule_id: str, labels: Mapping[str, str]) -> str:
    """The id of the alert that a rule raises for a label set."""
    return "alrt_" + _digest({"tenant": tenant, "rule_id": rule_id, "labels": dict(labels)})


def silence_id(tenant: str, matchers: Iterable[Matcher]) -> str:
    """The id of the silence of everything that these matchers match."""
    ordered = sorted({(m.name, m.op.value, m.value) for m in matchers})
    return "sil_" + _digest({"tenant": tenant, "matchers": [list(m) for m in ordered]})


def matchers_of_alert(labels: Mapping[str, str]) -> tuple[Matcher, ...]:
    """What silences exactly one alert: equality on each of its labels, `alertname` among them."""
    return tuple(Matcher(name, MatchOp.EQUAL, labels[name]) for name in sorted(labels))


def group_key(route: str, labels: Mapping[str, str]) -> str:
    """The id of a group of notifications: of one route, with these grouping labels."""
    return _digest({"route": route, "labels": dict(labels)})


def _digest(content: Mapping[str, object]) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    first = hashlib.sha256(text.encode("utf-8")).digest()[:16]
    return base64.b32encode(first).decode("ascii").rstrip("=").lower()
