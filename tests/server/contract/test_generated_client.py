"""A client that openapi-python-client generates from the document works against the server."""

from __future__ import annotations

import importlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.servers.http_server import LocalServer, local_server

pytestmark = pytest.mark.slow

PACKAGE = "novaql_client_of_the_test"


@pytest.fixture(scope="module")
def server() -> Iterator[LocalServer]:
    with local_server() as made:
        yield made


@pytest.fixture(scope="module")
def generated(
    server: LocalServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Path, str]]:
    """The folder of the package, and what the generator printed."""
    folder = tmp_path_factory.mktemp("client")
    (folder / "openapi.json").write_text(json.dumps(server.document()), "utf-8")
    (folder / "config.yaml").write_text("post_hooks: []\n", "utf-8")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "openapi_python_client", "generate", "--meta", "none"),
            *("--path", str(folder / "openapi.json"), "--config", str(folder / "config.yaml")),
            *("--output-path", str(folder / PACKAGE)),
        ],
        capture_output=True,
        text=True,
        check=True,
        cwd=folder,
        timeout=300,
    )
    sys.path.insert(0, str(folder))
    yield folder / PACKAGE, done.stdout + done.stderr
    sys.path.remove(str(folder))


def module(name: str) -> Any:
    return importlib.import_module(f"{PACKAGE}.{name}")


@pytest.fixture
def client(server: LocalServer, generated: tuple[Path, str]) -> Iterator[Any]:  # noqa: ARG001
    made = module("client").AuthenticatedClient
    token = server.bearer()["Authorization"].removeprefix("Bearer ")
    with made(base_url=str(server.client.base_url).rstrip("/"), token=token) as client:
        yield client


def test_every_operation_with_json_is_generated(
    server: LocalServer, generated: tuple[Path, str]
) -> None:
    """What is left out takes or gives protobuf, text or YAML only."""
    folder, _ = generated
    absent = []
    for path, item in server.document()["paths"].items():
        for method, operation in item.items():
            name = re.sub(r"(?<!^)([A-Z])", r"_\1", operation["operationId"]).lower()
            body = operation.get("requestBody", {}).get("content", {"application/json": {}})
            made = list(folder.glob(f"api/*/{name}.py"))
            if not made and {"application/json", "application/x-www-form-urlencoded"} & body.keys():
                absent.append(f"{method} {path}: {name}")
    assert absent in ([], ["post /v1/ingest: ingest"]), absent
    functions = [path.read_text("utf-8") for path in folder.glob("api/*/*.py")]
    assert len(functions) > 150


def test_names_of_schemas_are_short_and_those_of_operations_unique(server: LocalServer) -> None:
    document = server.document()
    assert not [name for name in document["components"]["schemas"] if "__" in name or "." in name]
    titles = [schema.get("title", "") for schema in document["components"]["schemas"].values()]
    named = [title for title in titles if title]
    assert len(set(named)) == len(named)
    ids = [op["operationId"] for item in document["paths"].values() for op in item.values()]
    assert len(set(ids)) == len(ids)


def test_it_handles_an_incident_and_reads_an_objective(client: Any) -> None:
    models = module("models")
    service = models.RegisterService.from_dict({"name": "api", "owner": "ada", "tier": "1"})
    assert module("api.services.register_service").sync(client=client, body=service).name == "api"

    body = models.CreateIncident.from_dict(
        {"title": "checkout fails", "severity": "sev2", "services": ["api"]}
    )
    made = module("api.incidents.create_incident").sync(client=client, body=body)
    assert made.status == "triggered"
    page = module("api.incidents.list_incidents").sync(client=client)
    assert [one.id for one in page.data] == [made.id]
    taken = module("api.incidents.acknowledge_incident").sync(made.id, client=client)
    assert taken.status == "acknowledged"
    note = models.ResolveIncident.from_dict({"note": "rolled back"})
    done = module("api.incidents.resolve_incident").sync(made.id, client=client, body=note)
    assert done.status == "resolved"

    indicator = {"type": "ratio", "bad": "bad_total", "total": "all_total"}
    slo = models.SetSlo.from_dict({"objective": "0.99", "indicator": indicator})
    assert module("api.slo.set_slo").sync("api", client=client, body=slo).objective == "0.99"
    shown = module("api.slo.get_service_slos").sync("api", client=client)
    assert [one.status for one in shown.slos] == ["no_data"]


def test_it_runs_a_query_and_gets_errors_as_models(client: Any) -> None:
    models = module("models")
    query = module("api.query.query")
    body = models.NovaqlRequest.from_dict({"query": "1 + 1", "time": 0})
    found = query.sync(client=client, body=body)
    assert type(found).__name__ == "NovaqlAnswer"
    assert found.result == [0, 2]
    wrong = models.NovaqlRequest.from_dict({"query": "sum(rat(m[5m]))", "time": 0})
    refused = query.sync(client=client, body=wrong)
    assert refused.error.code == "unknown_name"
    assert refused.error.column == 5
