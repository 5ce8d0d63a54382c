"""Secret parameters are sealed, and redacted wherever a run leaves traces."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote

import pytest

from novaql.server.runbooks.redacting import Redactor
from tests.support.peers.receiver import Receiver
from tests.support.servers.agent_rig import code_of
from tests.support.servers.runbook_rig import RunbookRig, http

SECRET = 'p@ss "word"/1'


@pytest.mark.parametrize(
    "spelled",
    [
        SECRET,
        quote(SECRET, safe=""),
        json.dumps(SECRET)[1:-1],
        json.dumps(json.dumps({"inner": SECRET})),
        SECRET.encode().hex(),
        base64.b64encode(SECRET.encode()).decode(),
        base64.b64encode(b"x:" + SECRET.encode() + b":y").decode(),
        base64.b64encode(b"xy:" + SECRET.encode()).decode(),
    ],
)
def test_every_spelling_is_redacted(spelled: str) -> None:
    shown, _ = Redactor([SECRET]).shown(f"before {spelled} after", 1000)
    assert "[hidden]" in shown
    assert spelled not in shown
    assert shown.startswith("before ")


@pytest.mark.parametrize(
    "spelled",
    [
        r"key<\u00e9>&\/+'s",  # PHP
        r"key\u003cé\u003e\u0026/+'s",  # Go
        r"key\u003C\u00E9\u003E\u0026/\u002B\u0027s",  # .NET
        "key&lt;é&gt;&amp;/+&#x27;s",
        "key&lt;é&gt;&amp;/+&#39;s",
        "key%3c%c3%a9%3e%26%2f%2b%27s",
    ],
)
def test_spellings_of_other_encoders_are_redacted(spelled: str) -> None:
    shown, _ = Redactor(["key<é>&/+'s"]).shown(f"before {spelled} after", 1000)
    assert shown == "before [hidden] after"


def test_texts_that_look_like_credentials_are_redacted() -> None:
    text = (
        "Authorization: Bearer abcdef123456 password=hunter22 "
        '{"api_key": "k-123456"} https://u:pw123@host/ ok=1'
    )
    shown, _ = Redactor([]).shown(text, 1000)
    for secret in ("abcdef123456", "hunter22", "k-123456", "pw123"):
        assert secret not in shown
    assert "ok=1" in shown


@pytest.mark.parametrize(
    "text",
    [
        "db-password: %s",
        "'x-api-key' = '%s'",
        '"my.access_key":"%s"',
        "ä-token=%s",
        "accessToken: %s",
    ],
)
def test_names_of_secrets_may_have_other_words_in_front(text: str) -> None:
    shown, _ = Redactor([]).shown(text % "hunter22", 1000)
    assert shown == text % "[hidden]"


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize(
    "text", ["a-" * 100_000, "a:" * 100_000, "://:" * 50_000, "token " * 40_000]
)
def test_the_time_to_redact_a_long_text_grows_with_its_length(text: str) -> None:
    assert Redactor([]).shown(text, 1_000_000) == (text, False)


def test_an_output_is_limited_after_its_redaction() -> None:
    redactor = Redactor(["secret-secret"])
    assert redactor.shown("é" * 10, 5) == ("éé", True)
    assert redactor.shown("abc", 5) == ("abc", False)
    assert redactor.shown("x secret-se", 100, cut=True) == ("x ", True)
    cut = "x secret-é".encode()[:-1].decode(errors="replace")
    assert Redactor(["secret-été"]).shown(cut, 100, cut=True) == ("x ", True)


@pytest.mark.slow
def test_the_secrets_of_a_run_are_nowhere_in_clear(either: RunbookRig, receiver: Receiver) -> None:
    rig = either
    agent = rig.runner()
    step = http(
        f"{receiver.url}/?k=${{token}}",
        headers={"Authorization": "Bearer ${token}"},
        json={"deep": "${other}"},
    )
    parameters = [
        {"name": "token", "secret": True, "default": "default-secret-value"},
        {"name": "other", "secret": True},
    ]
    runbook = rig.runbook(step, parameters=parameters)
    shown = rig.get(f"/v1/runbooks/{runbook['id']}")
    assert shown["parameters"][0]["default"] is None
    assert shown["parameters"][0]["has_default"] is True
    given = {"other": "given-secret-value"}
    run = rig.run(runbook, parameters=given, agent_id=agent)
    assert rig.decide(rig.action_of(run)).status_code == 200
    rig.server.run_jobs()
    (heard,) = receiver.heard
    assert heard.headers["authorization"] == "Bearer default-secret-value"
    assert json.loads(heard.body) == {"deep": "given-secret-value"}
    traces = [rig.look(run["id"]), rig.action_of(run), rig.entries(agent), rig.get("/v1/audit")]
    with rig.server.context.database.read(None) as session:
        for table in ("runbooks", "runbook_runs", "runbook_step_runs", "events", "audit_entries"):
            rows = session.connection().exec_driver_sql(f"SELECT * FROM {table}").all()
            traces.append([str(row) for row in rows])
    for secret in ("default-secret-value", "given-secret-value"):
        assert secret not in str(traces)
    assert set(rig.look(run["id"])["content"]["sealed_parameters"]) == {"token", "other"}


class Echo(BaseHTTPRequestHandler):
    """Answers with what it was sent, many times."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"])) * 2000
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def echo() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_an_answer_that_repeats_a_secret_is_redacted_and_cut(rig: RunbookRig, echo: str) -> None:
    parameters = [{"name": "token", "secret": True, "default": "tell-nobody-this"}]
    agent = rig.runner()
    runbook = rig.runbook(http(echo, json="${token}"), parameters=parameters)
    run = rig.run(runbook, agent_id=agent)
    rig.decide(rig.action_of(run))
    rig.server.run_jobs()
    (done,) = rig.look(run["id"])["steps"]
    assert done["status"] == "succeeded"
    assert done["truncated"] is True
    assert len(done["output"].encode()) <= rig.server.context.settings.runbook_output_bytes
    assert "tell" not in done["output"]
    assert "[hidden]" in done["output"]
    entry = next(one["leaf"] for one in rig.entries(agent) if one["kind"] == "runbook.step")
    assert "tell" not in entry
    assert len(entry) < 2500


def test_secrets_are_only_where_they_stay_secret(rig: RunbookRig) -> None:
    parameters = [{"name": "token", "secret": True}]
    rig.post("/v1/notification-channels", {"name": "ops", "type": "sink"})
    say = {"name": "say", "type": "notify", "channel": "ops", "message": "${token}"}
    ask = {"name": "ask", "type": "query", "expr": 'up{a="${token}"}'}
    for step in (say, ask):
        body = {"name": "x", "steps": [step], "parameters": parameters}
        assert code_of(rig.ask("POST", "/v1/runbooks", body)) == (422, "secret_parameter")
    for header in ("Authorization", "Cookie", "X-Api-Key"):
        step = http("http://127.0.0.1/", headers={header: "Bearer in-clear-text"})
        answer = rig.ask("POST", "/v1/runbooks", {"name": "x", "steps": [step]})
        assert code_of(answer) == (422, "secret_in_clear")
        assert "in-clear" not in str(rig.get("/v1/audit"))
    short = [{"name": "token", "secret": True, "default": "short"}]
    body = {"name": "x", "steps": [http("http://127.0.0.1/")], "parameters": short}
    answer = rig.ask("POST", "/v1/runbooks", body)
    assert answer.status_code == 400
    assert answer.json()["error"]["details"][0]["pointer"] == "/parameters/0/default"


def test_a_secret_without_a_new_value_retains_its_own(rig: RunbookRig, receiver: Receiver) -> None:
    step = http(f"{receiver.url}/?k=${{token}}")
    first = {"name": "token", "secret": True, "default": "first-secret"}
    runbook = rig.runbook(step, parameters=[first])
    same = [{"name": "token", "secret": True}]
    rig.runbook(step, parameters=same, id=runbook["id"], version=1, status=200)
    assert rig.run(runbook)["status"] == "succeeded"
    second = [{**first, "default": "second-secret"}]
    rig.runbook(step, parameters=second, id=runbook["id"], version=2, status=200)
    assert rig.run(runbook)["status"] == "succeeded"
    assert [one.path for one in receiver.heard] == ["/?k=first-secret", "/?k=second-secret"]
