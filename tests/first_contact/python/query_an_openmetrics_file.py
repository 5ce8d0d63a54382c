"""Query a file in OpenMetrics, with times in it."""

from pathlib import Path

import novaql

Path("page.om").write_text(
    "# TYPE http_requests counter\n"
    'http_requests_total{code="200"} 100 1772366400\n'
    'http_requests_total{code="200"} 400 1772366460\n'
    "# EOF\n"
)

assert novaql.query("http_requests_total - http_requests_total offset 1m", "page.om").item() == 300
