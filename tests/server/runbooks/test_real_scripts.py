"""Script steps through the API with the real executors: what a program gets, what it cannot read,
how it ends, and which tenants can run it."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest

from novaql.server.auth.roles import Role
from novaql.server.clock import SteppedClock
from novaql.server.executors.choice import Choice
from novaql.server.executors.isolation import tool
from novaql.server.executors.usage import processes
from tests.support.executors.shells import NEEDS_BWRAP, written
from tests.support.servers.agent_rig import NOW, code_of
from tests.support.servers.http_server import local_server
from tests.support.servers.runbook_rig import RunbookRig, statuses

pytestmark = pytest.mark.skipif(tool("bwrap") is None, reason=NEEDS_BWRAP)

ANY = {"pattern": "(?s).*", "max_bytes": 4096}
CONFIG = {
    "show": {
        "command": ["/usr/bin/printf", "<%s>", "{first}", "{second}"],
        "parameters": {"first": ANY, "second": ANY},
        "tenants": ["*"],
    },
    "shell": {
        "command": ["/bin/bash", "-c", "{code}"],
        "parameters": {"code": ANY},
        "tenants": ["default"],
        "limits": {"output_bytes": 20_000, "timeout_s": 30},
    },
    "read": {
        "command": ["/bin/cat"],
        "parameters": {"text": {"pattern": "[^x]*", "leading_dash": True}},
        "stdin": "{text}",
        "tenants": ["default"],
    },
    "theirs": {"command": ["/bin/true"], "tenants": ["other"]},
}


@contextmanager
def opened(config: Any) -> Iterator[RunbookRig]:
    clock = SteppedClock(NOW)
    with tempfile.TemporaryDirectory(prefix="executors-") as folder:
        file = written(Path(folder), config)
        with local_server(
            clock=clock, executors_file=file, egress_allow="127.0.0.0/8", runbook_output_bytes=5000
        ) as server:
            yield RunbookRig(server, clock)


@pytest.fixture(scope="module")
def rig() -> Iterator[RunbookRig]:
    with opened({"executors": CONFIG}) as found:
        if found.server.context.executors.by_name["shell"].unavailable:
            pytest.skip("this machine has no isolation")
        yield found


def script(executor: str, **parameters: str) -> dict[str, Any]:
    return {"name": "run", "type": "script", "executor": executor, "parameters": parameters}


def ran(rig: RunbookRig, step: Any, name: str, **more: Any) -> Any:
    """The run of a new runbook."""
    values = more.pop("values", {})
    return rig.run(rig.runbook(step, name=name, **more), parameters=values)


def test_values_are_whole_arguments(rig: RunbookRig) -> None:
    evil = "a; touch /tmp/x $(id) `id` | cat\n--help ${HOME} 'q\" \\"
    step = script("show", first="${one}", second="b")
    run = ran(rig, step, "arguments", parameters=[{"name": "one"}], values={"one": evil})
    assert run["steps"][0]["output"] == f"<{evil}><b>"
    assert (run["status"], run["steps"][0]["exit_code"]) == ("succeeded", 0)


def test_a_value_of_stdin(rig: RunbookRig) -> None:
    run = ran(rig, script("read", text="-n $(id)"), "stdin")
    assert (run["status"], run["steps"][0]["output"]) == ("succeeded", "-n $(id)")


@pytest.mark.parametrize("of", ["data", "configuration", "memory", "environment"])
def test_a_script_reads_no_file_of_the_server(rig: RunbookRig, of: str) -> None:
    context = rig.server.context
    key = context.settings.data / "server" / "master.key"
    assert context.settings.executors_file is not None
    top = "root"  # of a process: the link to its file system; in that: the home of the superuser
    code = {
        "data": f"ls -R {context.settings.data}; cat {key}",
        "configuration": f"cat {context.settings.executors_file}",
        "memory": f"cat /proc/*/maps; ls /proc/*/{top}/{top} /proc/1/{top}/{top}",
        "environment": "cat /proc/$PPID/environ | tr '\\0' '\\n' | grep -v -e ^PATH= -e ^HOME= -e "
        "^LANG= -e ^PWD= -e ^_= -e ^SHLVL=; false",
    }[of]
    run = ran(rig, script("shell", code=code), f"reads {of}")
    step = run["steps"][0]
    assert (run["status"], step["status"]) == ("failed", "failed")
    for secret in ("shell.parameters", "state.db", "novaql", "NOVAQL"):
        shown = step["output"].replace(str(context.settings.executors_file), "")
        shown = shown.replace(str(context.settings.data), "")
        assert secret not in shown


def sleepers(mark: str) -> list[str]:
    found = []
    for pid in processes():
        try:
            line = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            continue
        if mark.encode() in line:
            found.append(line.decode(errors="replace"))
    return found


@pytest.mark.slow
def test_a_time_out_ends_all_processes(rig: RunbookRig) -> None:
    mark = "71733"
    code = f"echo begun; sleep {mark} & setsid sleep {mark} & nohup sleep {mark} & wait"
    step = {**script("shell", code=code), "timeout": "5s"}
    began = monotonic()
    run = ran(rig, step, "slow")
    assert (run["status"], statuses(run)) == ("timed_out", ["timed_out"])
    assert run["steps"][0]["output"] == "begun\n"
    assert monotonic() - began < 30
    assert sleepers(mark) == []


@pytest.mark.slow
def test_a_cancelled_run_ends_all_processes(rig: RunbookRig) -> None:
    mark = "71734"
    step = script("shell", code=f"sleep {mark} & sleep {mark}")
    run_id = rig.start(rig.runbook(step, name="cancelled"))
    working = threading.Thread(target=rig.server.run_jobs)
    working.start()
    end = monotonic() + 20
    while not sleepers(mark):
        assert monotonic() < end
        sleep(0.02)
    rig.post(f"/v1/runs/{run_id}/cancel", None, 200)
    working.join(timeout=20)
    assert rig.look(run_id)["status"] == "cancelled"
    assert sleepers(mark) == []


def test_output_is_bounded_and_redacted(rig: RunbookRig) -> None:
    secret = "s3cret-of-the-script"
    code = 'printf "%s" "$0"; echo; for i in $(seq 900); do echo "pad $0"; done'
    step = script("shell", code="x='${key}'; " + code.replace("$0", "$x"))
    parameters = [{"name": "key", "secret": True}]
    run = ran(rig, step, "secret", parameters=parameters, values={"key": secret})
    (found,) = run["steps"]
    assert found["status"] == "succeeded"
    assert found["output"].startswith("[hidden]\npad [hidden]\n")
    assert (len(found["output"].encode()) <= 5000, found["truncated"]) == (True, True)
    for path in (f"/v1/runs/{run['id']}", "/v1/audit?limit=200", "/v1/runs"):
        assert secret not in rig.ask("GET", path).text


def test_a_step_that_is_cut_inside_of_a_secret(rig: RunbookRig) -> None:
    """The executor discards output after 20 000 bytes; here that is in the middle of the secret."""
    secret = "abcdefghijklmnopqrstuvwxyz"
    code = "head -c 19990 /dev/zero | tr '\\0' .; echo '${key}'"
    step = {**script("shell", code=code), "on_failure": "continue"}
    parameters = [{"name": "key", "secret": True}]
    run = ran(rig, step, "cut", parameters=parameters, values={"key": secret})
    assert "abc" not in str(run["steps"])


def test_a_tenant_without_grant(rig: RunbookRig) -> None:
    body = {"name": "theirs", "steps": [script("theirs")]}
    answer = rig.ask("POST", "/v1/runbooks", body)
    assert code_of(answer) == (422, "executor_unknown")
    unknown = rig.ask("POST", "/v1/runbooks", {**body, "steps": [script("nothing")]})
    assert code_of(unknown) == (422, "executor_unknown")
    first, second = (one.json()["error"]["message"] for one in (answer, unknown))
    assert first.replace("theirs", "nothing") == second


def test_a_grant_that_was_withdrawn(rig: RunbookRig) -> None:
    runbook = rig.runbook(script("show", first="a", second="b"), name="withdrawn")
    run_id = rig.start(runbook)
    executor = rig.server.context.executors.by_name["show"]
    tenants = executor.config.tenants
    tenants[:] = ["other"]
    try:
        answer = rig.ask("POST", f"/v1/runbooks/{runbook['id']}/run", {})
        assert code_of(answer) == (422, "executor_unknown")
        rig.server.run_jobs()
    finally:
        tenants[:] = ["*"]
    run = rig.look(run_id)
    assert (run["status"], statuses(run)) == ("failed", ["refused"])


def test_a_dry_run_starts_no_program(rig: RunbookRig) -> None:
    runbook = rig.runbook(script("shell", code="sleep 71735"), name="dry")
    began = monotonic()
    run = rig.run(runbook, dry_run=True)
    assert (run["status"], statuses(run)) == ("succeeded", ["dry_run"])
    assert monotonic() - began < 10


def test_the_executors_of_a_tenant(rig: RunbookRig) -> None:
    found = rig.get("/v1/runbooks/executors", by="bob")
    assert found["isolation"].startswith("namespaces")
    assert [one["name"] for one in found["data"]] == ["read", "shell", "show"]
    assert found["data"][0] == {
        "name": "read",
        "available": True,
        "reason": None,
        "network": False,
        "timeout_s": 60.0,
        "output_bytes": 65536,
        "parameters": [
            {
                "name": "text",
                "pattern": "[^x]*",
                "max_bytes": 256,
                "leading_dash": True,
                "stdin": True,
            }
        ],
    }
    assert "/bin" not in rig.ask("GET", "/v1/runbooks/executors").text
    by_role = rig.server.client.get(
        "/v1/runbooks/executors", headers=rig.server.bearer(Role.READ_ONLY)
    )
    assert by_role.status_code == 403


def test_a_server_without_isolation_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    why = "no isolation is possible (namespaces: this machine forbids them)"
    monkeypatch.setattr(
        "novaql.server.executors.loading.choose",
        lambda wanted, slots: Choice(None, why, {}),
    )
    with opened({"executors": CONFIG}) as rig:
        runbook = rig.runbook(script("show", first="a", second="b"))
        path = f"/v1/runbooks/{runbook['id']}/run"
        answer = rig.ask("POST", path, {})
        assert code_of(answer) == (409, "executor_unavailable")
        assert why in answer.json()["error"]["message"]
        assert rig.run(runbook, dry_run=True)["status"] == "succeeded"
        found = rig.get("/v1/runbooks/executors")
        assert (found["isolation"], found["data"][0]["available"]) == (why, False)
        assert found["data"][0]["reason"] == why
