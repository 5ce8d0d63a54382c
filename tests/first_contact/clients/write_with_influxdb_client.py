"""The client of InfluxDB 2 writes to a server with its usual configuration."""

import os

from influxdb_client import InfluxDBClient, Point
from influxdb_client.client.write_api import SYNCHRONOUS

import novaql

url, token = os.environ["NOVA_URL"], os.environ["NOVA_TOKEN"]

with InfluxDBClient(url, token, org="any") as client:
    assert client.ping()
    point = Point("pump").tag("hall", "north").field("bar", 2.5)
    client.write_api(SYNCHRONOUS).write(bucket="plant", record=point)

assert novaql.query('pump_bar{hall="north"}', url).item() == 2.5
