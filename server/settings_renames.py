"""Former names of settings, which work for one release."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from novaql import ArgumentError

FORMER_NAMES: Mapping[str, str | None] = {
    "compress_bytes": "compression_min_bytes",
    "max_bodies_bytes": "write_memory_bytes",
    "max_lag_s": "shutdown_timeout_s",
    "max_unpacked_bytes": "max_decompressed_bytes",
    "measured_for_s": "slo_cache_ttl_s",
    "notify_gap_s": "manual_notify_interval_s",
    "state_cache_bytes": "response_cache_bytes",
    "strangers_per_minute": "auth_failures_per_minute",
    "webhook_overlap_s": "webhook_secret_overlap_s",
    "webhook_retries": "webhook_retry_delays",
}
"""Former name → current name; None: the setting was removed."""

log = logging.getLogger("novaql.server")


class SettingNames:
    """Translates the names in a configuration into current ones.

    former  former name → current name, or None for a removed setting
    """

    def __init__(self, former: Mapping[str, str | None] = FORMER_NAMES) -> None:
        self.former = former
        self._given: dict[str, tuple[str, str]] = {}  # current name → name and place

    def current(self, name: str, place: str) -> str | None:
        """Return the current name of a setting; None: the setting was removed.

        Logs a warning for a former name. Raises `ArgumentError` if the configuration has both a
        former name and the current name of a setting.

        place  source of the name, for messages: `NOVAQL_PORT`, or `port in novaql.toml`
        """
        current = self.former.get(name, name)
        if current is None:
            log.warning("%s has no effect: the setting was removed", place)
            return None
        other, other_place = self._given.setdefault(current, (name, place))
        if other != name:
            raise ArgumentError(
                current, f"is set by two names: {other_place}, and {place}; remove the former name"
            )
        if current != name:
            log.warning(
                "%s: the setting is now named %s; the former name works in this release only",
                place,
                current,
            )
        return current
