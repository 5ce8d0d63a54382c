"""No request reads a whole table of results, whatever the number of its rows."""

from __future__ import annotations

from typing import Any

from sqlalchemy import event, text

from novaql.server.clock import SteppedClock
from tests.server.synthetics.conftest import NOW, OPEN, Lab
from tests.support.servers.http_server import local_server

TABLES = ("synthetic_results", "synthetic_tallies", "synthetic_screenshots", "synthetic_regions")


def test_requests_use_indexes() -> None:
    clock = SteppedClock(NOW)
    with local_server(clock=clock, **OPEN) as server:
        lab = Lab(server, clock)
        token = lab.probe_token()
        check = lab.check("http://127.0.0.1:1/", regions=["paris"])
        lab.pass_time(60)
        engine = server.context.database.engine
        seen: dict[str, Any] = {}

        def note(_c: Any, _cursor: Any, statement: str, values: Any, *_: Any) -> None:
            if any(table in statement for table in TABLES) and not statement.startswith("INSERT"):
                seen[statement] = values

        event.listen(engine, "before_cursor_execute", note)
        for path in ("", f"/{check}", f"/{check}/results", f"/{check}/uptime"):
            lab.get(f"/synthetics{path}")
        lab.results(check, "?status=failure&region=paris&run_id=x")
        wanted = {"capabilities": ["http"], "most": 1}
        (run,) = lab.post("/probes/claim", wanted, 200, token)["runs"]
        lab.post("/probes/heartbeat", {"leases": [run["lease"]]}, 200, token)
        report = {"lease": run["lease"], "outcome": {"status": "success"}}
        lab.post("/probes/report", report, 200, token)
        event.remove(engine, "before_cursor_execute", note)
        assert len(seen) > 5
        with engine.connect() as connection:
            for statement, values in seen.items():
                plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values).all()
                scans = [row[3] for row in plan if row[3].startswith("SCAN synthetic_")]
                assert scans == [], statement
            assert connection.execute(text("SELECT count(*) FROM synthetic_results")).scalar() == 1
