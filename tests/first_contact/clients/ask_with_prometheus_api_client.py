"""prometheus-api-client asks a server as it asks a Prometheus."""

import os
import time

import httpx
from prometheus_api_client import MetricRangeDataFrame, PrometheusConnect
from prometheus_api_client.utils import parse_datetime

url = os.environ["NOVA_URL"]
headers = {"Authorization": f"Bearer {os.environ['NOVA_TOKEN']}"}
# The library rounds times to seconds, so a sample of this second may be after its "now".
page = f'shown_total{{job="api"}} 3 {(time.time() - 10) * 1000:.0f}\n'
httpx.post(f"{url}/api/v1/import/prometheus", content=page, headers=headers).raise_for_status()

prometheus = PrometheusConnect(f"{url}/prometheus", headers=headers)
assert prometheus.check_prometheus_connection()
assert "shown_total" in prometheus.all_metrics()
(current,) = prometheus.get_current_metric_value("shown_total", {"job": "api"})
assert current["value"][1] == "3"
since = {"start_time": parse_datetime("5m"), "end_time": parse_datetime("now")}
frame = MetricRangeDataFrame(prometheus.get_metric_range_data("shown_total", **since))
assert list(frame["value"]) == [3]
