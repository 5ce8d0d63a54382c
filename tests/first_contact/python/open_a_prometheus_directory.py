# Needs: promtool
"""The data directory of a Prometheus as a database, which only reads. Nothing in it changes."""

import subprocess
from pathlib import Path

import pytest

import novaql

Path("page.om").write_text(
    """# TYPE up gauge
up{job="api"} 1 1772366400
up{job="db"} 0 1772366400
# EOF
""",
    encoding="utf-8",
)
make = ["promtool", "tsdb", "create-blocks-from", "--quiet", "openmetrics", "page.om", "data"]
subprocess.run(make, check=True)
files = sorted(Path("data").rglob("*"))

with novaql.open("data") as prometheus:
    assert prometheus.metrics() == ["up"]
    assert prometheus.label_values("job") == ["api", "db"]
    assert prometheus.query("sum(up)", time="2026-03-01T12:00:00Z").item() == 1
    with pytest.raises(novaql.NovaqlError):
        prometheus.load({"time": [0], "value": [1.0]})

assert sorted(Path("data").rglob("*")) == files
