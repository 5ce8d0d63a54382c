"""Limits of the server's own work that no setting changes."""

from __future__ import annotations

from novaql.fast_dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Tuning:
    """Limits that `create_app` takes as an argument; tests pass smaller ones.

    answer_at_once   bytes of an answer that the server encodes before it sends the first
    json_at_once     bytes of a query's JSON, likewise: about what the encoder writes at a time
    arrow_at_once    bytes of an Arrow stream, likewise: about those of 524 288 points of JSON
    export_at_once   audit entries of an export that the request writes; a job writes larger exports
    search_work      resources × comparisons of one SCIM search without an index
    tiny_s           CPU time of a query's last run in a thread, below which the next one may run on
                     the event loop; tiny_overrun_s: on the loop, above which the next one may not
    wide_columns     series of the wide layout. Each takes a kilobyte of memory besides its values,
                     which the budget of the query does not include
    oncall_page_steps   turns and restricted parts that the search for shifts of one page reads
    regrouped_at_once   alerts that one transaction moves to other notification groups
    alert_text       characters of the labels and annotations of one alert
    alerts_page_text   bytes of those of a page of alerts as JSON, or of one alert with more
    group_text       characters of those of the alerts and recorded series of a group
    alerts_text      characters of those of all pending and firing alerts of a tenant
    usual_group_text   a group with fewer characters is not compared with `alerts_text`
    mail_s           time for one mail, from the connection to its end
    """

    answer_at_once: int = 1 << 20
    json_at_once: int = 8 << 20
    arrow_at_once: int = 16 << 20
    export_at_once: int = 5000
    search_work: int = 20_000
    tiny_s: float = 0.002
    tiny_overrun_s: float = 0.005
    wide_columns: int = 50_000
    oncall_page_steps: int = 10_000
    regrouped_at_once: int = 1000
    alert_text: int = 256 << 10
    alerts_page_text: int = 8 << 20
    group_text: int = 32 << 20
    alerts_text: int = 64 << 20
    usual_group_text: int = 64 << 10
    mail_s: float = 30.0


USUAL = Tuning()
