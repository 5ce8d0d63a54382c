"""An application with OpenTelemetry's SDK sends its metrics to a server."""

import os

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

import novaql

url, token = os.environ["NOVA_URL"], os.environ["NOVA_TOKEN"]
os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = url
os.environ["OTEL_EXPORTER_OTLP_HEADERS"] = f"authorization=Bearer%20{token}"

provider = MeterProvider([PeriodicExportingMetricReader(OTLPMetricExporter())])
provider.get_meter("shop").create_counter("shop.orders").add(3, {"country": "de"})
assert provider.force_flush()
provider.shutdown()

assert novaql.query('shop_orders_total{country="de"}', url).item() == 3
