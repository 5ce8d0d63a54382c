"""Ids that anybody can compute."""

from __future__ import annotations

import base64
import hashlib
import re

from hypothesis import given
from hypothesis import strategies as st

from novaql.server.alert_model.identity import alert_id, matchers_of_alert, silence_id
from novaql.tsdb.model.matchers import Matcher, MatchOp

LABELS = {"alertname": "HighLatency", "service": "größe", "severity": "page"}


def test_the_documented_bytes() -> None:
    """The test vector of the how-to: what is hashed, byte for byte."""
    hashed = (
        '{"labels":{"alertname":"HighLatency","service":"größe","severity":"page"},'
        '"rule_id":"rule_1","tenant":"acme"}'
    )
    digest = hashlib.sha256(hashed.encode()).digest()[:16]
    expected = base64.b32encode(digest).decode().rstrip("=").lower()
    assert alert_id("acme", "rule_1", LABELS) == f"alrt_{expected}"
    assert alert_id("acme", "rule_1", LABELS) == "alrt_" + expected
    silenced = (
        '{"matchers":[["alertname","=","HighLatency"],["service","=","größe"],'
        '["severity","=","page"]],"tenant":"acme"}'
    )
    digest = hashlib.sha256(silenced.encode()).digest()[:16]
    expected = base64.b32encode(digest).decode().rstrip("=").lower()
    assert silence_id("acme", matchers_of_alert(LABELS)) == f"sil_{expected}"


def test_the_vector_of_the_readme() -> None:
    labels = {"instance": "a", "alertname": "Down"}
    assert silence_id("acme", matchers_of_alert(labels)) == "sil_kt6k6tycb7w2sf6wz456gcive4"


def test_the_shape_of_ids() -> None:
    assert re.fullmatch(r"alrt_[a-z2-7]{26}", alert_id("t", "r", {}))


_LABEL_SETS = st.dictionaries(st.text(min_size=1, max_size=8), st.text(max_size=8), max_size=5)


@given(_LABEL_SETS)
def test_order_does_not_matter(labels: dict[str, str]) -> None:
    turned = dict(reversed(labels.items()))
    assert alert_id("t", "r", labels) == alert_id("t", "r", turned)
    matchers = [Matcher(n, MatchOp.REGEX, v) for n, v in labels.items()]
    assert silence_id("t", matchers) == silence_id("t", [*reversed(matchers), *matchers])


@given(_LABEL_SETS, _LABEL_SETS)
def test_different_things_differ(one: dict[str, str], other: dict[str, str]) -> None:
    assert (alert_id("t", "r", one) == alert_id("t", "r", other)) == (one == other)
    assert (
        silence_id("t", matchers_of_alert(one)) == silence_id("t", matchers_of_alert(other))
    ) == (one == other)
    assert alert_id("t", "r", one) != alert_id("u", "r", one)
    assert alert_id("t", "r", one) != alert_id("t", "s", one)
