"""Ids of alerts and silences that clients can compute.

    alert id    "alrt_" + base32( sha256( {"labels": …, "rule_id": …, "tenant": …} )[:16] )
    silence id  "sil_"  + base32( sha256( {"matchers": […], "tenant": …} )[:16] )

The hash is over canonical JSON: keys sorted, no blanks, UTF-8 without escapes other than JSON's
own. Matchers are `[name, op, value]`, sorted. base32 is RFC 4648's alphabet in lower case, without
padding: 26 characters. An alert retains its id over flaps and restarts. Silences with the
same matchers have the same id; duration, reason and author do not change it.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping

from novaql.tsdb import Matcher, MatchOp


def alert_id(tenant: str, rule_id: str, labels: Mapping[str, str]) -> str:
    """The id of the alert of a rule with these labels."""
    return "alrt_" + _digest({"tenant": tenant, "rule_id": rule_id, "labels": dict(labels)})


def silence_id(tenant: str, matchers: Iterable[Matcher]) -> str:
    """The id of the silence with these matchers."""
    ordered = sorted({(m.name, m.op.value, m.value) for m in matchers})
    return "sil_" + _digest({"tenant": tenant, "matchers": [list(m) for m in ordered]})


def matchers_of_alert(labels: Mapping[str, str]) -> tuple[Matcher, ...]:
    """Matchers for exactly one alert: equality on each label, including `alertname`."""
    return tuple(Matcher(name, MatchOp.EQUAL, labels[name]) for name in sorted(labels))


def group_key(route: str, labels: Mapping[str, str]) -> str:
    """The key of the group of a route with these grouping labels."""
    return _digest({"route": route, "labels": dict(labels)})


def _digest(content: Mapping[str, object]) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    first = hashlib.sha256(text.encode("utf-8")).digest()[:16]
    return base64.b32encode(first).decode("ascii").rstrip("=").lower()
