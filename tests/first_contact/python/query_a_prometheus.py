"""A running Prometheus, or a server with its API, by its address: `http://host:9090`.

NovaQL asks for the samples that a query needs: by remote read, or else by queries of selectors, as
here. The server of this example has one series.
"""

import json
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import novaql

SERIES = {"metric": {"__name__": "up", "job": "api"}, "values": [[1772366400, "1"]]}
ANSWERS = {
    "/api/v1/status/buildinfo": {"version": "2.53.0"},
    "/api/v1/query": {"resultType": "matrix", "result": [SERIES]},
    "/api/v1/label/job/values": ["api"],
}


class Prometheus(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        answer = ANSWERS.get(self.path.partition("?")[0])
        self.send_response(404 if answer is None else 200)
        self.end_headers()
        self.wfile.write(json.dumps({"status": "success", "data": answer}).encode())

    do_POST = do_GET

    def log_message(self, *_: object) -> None:
        pass


with HTTPServer(("127.0.0.1", 0), Prometheus) as server:
    Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    result = novaql.query("sum by (job) (up)", address, time=1772366400)
    jobs = novaql.label_values("job", address)
    server.shutdown()

assert result[0].labels == {"job": "api"}
assert result.item() == 1
assert jobs == ["api"]
