"""The client of InfluxDB 1 creates its database and writes; the token is its password."""

import os
from urllib.parse import urlsplit

from influxdb import InfluxDBClient

import novaql

url, token = os.environ["NOVA_URL"], os.environ["NOVA_TOKEN"]
server = urlsplit(url)

with InfluxDBClient(server.hostname, server.port, "telegraf", token, "lab") as client:
    assert client.ping()
    client.create_database("lab")
    point = {"measurement": "valve", "tags": {"hall": "south"}, "fields": {"bar": 2.5}}
    assert client.write_points([point])

assert novaql.query('valve_bar{hall="south", db="lab"}', url).item() == 2.5
