"""A Parquet file at an address: the footer, and the columns and row groups of the query are read.

This server sends files only as a whole, so the file is downloaded.
"""

from functools import partial
from http.server import HTTPServer, SimpleHTTPRequestHandler
from threading import Thread

import pandas as pd

import novaql

times = pd.date_range("2026-03-01", periods=2, freq="1min", tz="UTC")
pd.DataFrame({"time": times, "load": [1.0, 3.0]}).to_parquet("load.parquet")


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


with HTTPServer(("127.0.0.1", 0), partial(Quiet, directory=".")) as server:
    Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}/load.parquet"
    load = novaql.frame(address)  # for several queries; one alone takes the address
    answers = [novaql.query("load", load).item(), novaql.query("load offset 1m", load).item()]
    server.shutdown()

assert answers == [3, 1]
