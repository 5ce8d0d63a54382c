"""How long the labels and annotations of a group's alerts and recorded series may be.

Series share long labels in a store. The database has a copy for each alert and recorded series, and
an evaluation, a notification and a list of alerts read many of them at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import chain

from novaql.rules.evaluation import ActiveAlert
from novaql.server.tuning import Tuning


class TextBudget:
    """The characters that one evaluation of a group may result in.

    before  characters of the group's alerts before the evaluation
    stored  returns those of all alerts of the tenant; called only if those of the group grow
    """

    def __init__(self, before: int, stored: Callable[[], int], tuning: Tuning) -> None:
        self._before, self._stored, self._most = before, stored, tuning
        self._used = 0
        self._left: int | None = None

    @property
    def refusal(self) -> str:
        """The error of a rule whose results are too long."""
        most = self._most
        return (
            f"labels and annotations are too long: an alert may have {most.alert_text} characters, "
            f"a group of rules {most.group_text}, and all alerts of the tenant {most.alerts_text}"
        )

    def takes(self, size: int) -> bool:
        """Take characters; return False, and take none, if there are not so many left."""
        used = self._used + size
        if used > self._most.group_text:
            return False
        if used > max(self._before, self._most.usual_group_text):
            if self._left is None:
                self._left = self._most.alerts_text - max(0, self._stored() - self._before)
            if used > self._left:
                return False
        self._used = used
        return True

    def takes_alerts(self, alerts: Iterable[ActiveAlert]) -> bool:
        """Take the characters of alerts, none of which may be too long by itself."""
        sizes = [text_of_alert(alert) for alert in alerts]
        return max(sizes, default=0) <= self._most.alert_text and self.takes(sum(sizes))


def text_of_alert(alert: ActiveAlert) -> int:
    """The characters of the labels and annotations of an alert."""
    texts = (*chain.from_iterable(alert.labels), *alert.annotations, *alert.annotations.values())
    return sum(map(len, texts))


def text_of_sets(label_sets: Iterable[Mapping[str, str]]) -> int:
    """The characters of label sets."""
    return sum(sum(map(len, one)) + sum(map(len, one.values())) for one in label_sets)
