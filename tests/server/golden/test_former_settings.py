"""A configuration of an earlier version works: its names of settings were renamed since.

`settings_of_3454c20.toml` has every setting that commit 3454c20 had.
"""

from __future__ import annotations

import json
import logging
import tomllib
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import httpx
import pytest

from novaql.errors import ArgumentError
from novaql.server.settings import Settings
from novaql.server.settings_renames import FORMER_NAMES, SettingNames
from tests.support.servers.http_server import server_process

FORMER: dict[str, Any] = tomllib.loads(
    (Path(__file__).parent / "settings_of_3454c20.toml").read_text("utf-8")
)
NAMES = {field.name for field in fields(Settings)}
RENAMED = sorted(set(FORMER) - NAMES)


def toml_of(values: Mapping[str, Any]) -> str:
    """Lines of TOML; texts and numbers are written as in JSON."""
    return "\n".join(f"{name} = {json.dumps(value)}" for name, value in values.items())


def test_every_name_that_is_gone_is_known() -> None:
    assert set(RENAMED) <= set(FORMER_NAMES)
    assert {name for name in FORMER_NAMES.values() if name is not None} <= NAMES
    assert not NAMES & set(FORMER_NAMES)


@pytest.mark.slow
def test_a_server_starts_with_a_configuration_of_3454c20(tmp_path: Path) -> None:
    in_environment = RENAMED[::2]
    in_file = {name: value for name, value in FORMER.items() if name not in in_environment}
    (tmp_path / "prometheus.yml").write_text("scrape_configs: []\n")
    config = tmp_path / "novaql.toml"
    config.write_text(toml_of(in_file))

    with server_process(
        tmp_path / "data",
        *("--config", str(config)),
        settings={name: str(FORMER[name]) for name in in_environment},
    ) as server:
        flags = httpx.get(
            f"{server.url}/api/v1/status/flags",
            headers={"Authorization": f"Bearer {server.token}"},
            timeout=30,
        ).json()["data"]
        assert server.stop() == 0

    lines = [json.loads(line) for line in (tmp_path / "data.log").read_text().splitlines()]
    warnings = [line["message"] for line in lines if line["level"] == "warning"]
    for name in RENAMED:
        place = f"NOVAQL_{name.upper()}:" if name in in_environment else f"{name} in {config}:"
        told = [text for text in warnings if text.startswith(place)]
        assert len(told) == 1, name
        assert f"now named {FORMER_NAMES[name]};" in told[0]
    for name, value in FORMER.items():
        if name not in ("scrape_config", "master_key"):
            current = FORMER_NAMES.get(name, name) or name
            text = str(value).lower() if isinstance(value, bool) else str(value)
            assert flags[f"novaql.{current.replace('_', '-')}"] == text


@pytest.mark.parametrize("name", sorted(FORMER_NAMES))
def test_both_names_of_a_setting_are_an_error(tmp_path: Path, name: str) -> None:
    current = FORMER_NAMES[name]
    assert current is not None
    value = getattr(Settings(), current)
    config = tmp_path / "novaql.toml"
    config.write_text(toml_of({name: value}))
    environ = {f"NOVAQL_{current.upper()}": str(value)}

    assert Settings.from_environment(environ) == Settings()
    assert Settings.from_environment({}, config=config) == Settings()
    with pytest.raises(ArgumentError, match=f"{current}: is set by two names: {name} in .*NOVAQL_"):
        Settings.from_environment(environ, config=config)
    config.write_text(toml_of({name: value, current: value}))
    with pytest.raises(ArgumentError, match=f"{current}: is set by two names"):
        Settings.from_environment({}, config=config)


def test_one_former_name_in_file_and_environment_is_no_conflict(tmp_path: Path) -> None:
    config = tmp_path / "novaql.toml"
    config.write_text("max_lag_s = 3\n")

    settings = Settings.from_environment({"NOVAQL_MAX_LAG_S": "4"}, config=config)

    assert settings.shutdown_timeout_s == 4.0


def test_a_removed_setting_has_no_effect(caplog: pytest.LogCaptureFixture) -> None:
    names = SettingNames({"corked": None})

    with caplog.at_level(logging.WARNING):
        assert names.current("corked", "NOVAQL_CORKED") is None

    assert "NOVAQL_CORKED has no effect: the setting was removed" in caplog.text
