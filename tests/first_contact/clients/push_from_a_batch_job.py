"""prometheus_client pushes the metrics of a batch job, as to a pushgateway."""

import os

from prometheus_client import CollectorRegistry, Gauge, delete_from_gateway, push_to_gateway
from prometheus_client.exposition import basic_auth_handler

import novaql

url, token = os.environ["NOVA_URL"], os.environ["NOVA_TOKEN"]


def with_token(url, method, timeout, headers, data):
    return basic_auth_handler(url, method, timeout, headers, data, "any", token)


registry = CollectorRegistry()
Gauge("backup_bytes", "Size of the backup.", registry=registry).set(7e9)
push_to_gateway(url, "backup", registry, {"host": "db-1"}, handler=with_token)

assert novaql.query('backup_bytes{host="db-1"}', url).item() == 7e9

delete_from_gateway(url, "backup", {"host": "db-1"}, handler=with_token)
assert len(novaql.query("backup_bytes", url)) == 0
