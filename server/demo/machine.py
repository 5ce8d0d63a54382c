"""Metrics of this machine, with the names of node_exporter.

`mount_node_metrics` serves them as text, as any target of Prometheus does. It omits metrics that
the system does not provide (disks in a container, load average).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import psutil
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response

from novaql.server.addresses import is_loopback
from novaql.server.errors import Forbidden

NODE_METRICS_PATH = "/demo/node/metrics"
_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_MEMORY = {
    "total": "MemTotal",
    "available": "MemAvailable",
    "free": "MemFree",
    "cached": "Cached",
    "buffers": "Buffers",
}
_DEVICE_PREFIXES_LEFT_OUT = ("loop", "ram", "zram", "dm-")


class NodeCollector(Collector):
    """Reads the metrics from the system for each scrape."""

    def __init__(self) -> None:
        self._process = psutil.Process()

    def collect(self) -> Iterator[Metric]:
        parts: tuple[Callable[[], Iterable[Metric]], ...] = (
            _cpu,
            _memory,
            _load,
            _network,
            _disks,
            _filesystems,
            self._own_process,
        )
        for part in parts:
            # Omits metrics that the system does not provide, and continues with the others.
            with contextlib.suppress(OSError, AttributeError, NotImplementedError, psutil.Error):
                yield from list(part())

    def _own_process(self) -> Iterator[Metric]:
        with self._process.oneshot():
            times = self._process.cpu_times()
            memory = self._process.memory_info()
            threads = self._process.num_threads()
            born = self._process.create_time()
        yield CounterMetricFamily(
            "process_cpu_seconds", "Processor time of NovaQL.", times.user + times.system
        )
        yield GaugeMetricFamily("process_resident_memory_bytes", "Memory of NovaQL.", memory.rss)
        yield GaugeMetricFamily("process_threads", "Threads of NovaQL.", threads)
        yield GaugeMetricFamily(
            "process_start_time_seconds", "When NovaQL started, since 1970.", born
        )


def node_registry() -> CollectorRegistry:
    """A registry with only the metrics of this machine."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(NodeCollector())
    return registry


def mount_node_metrics(app: Starlette) -> None:
    """Serve the metrics of this machine at `NODE_METRICS_PATH`, only to this machine."""
    registry = node_registry()

    def node_metrics(request: Request) -> Response:
        if request.client is None or not is_loopback(request.client.host):
            raise Forbidden("the metrics of this machine are for this machine only")
        return Response(generate_latest(registry), headers={"Content-Type": _CONTENT_TYPE})

    app.add_route(NODE_METRICS_PATH, node_metrics, ["GET"])


def _cpu() -> Iterator[Metric]:
    family = CounterMetricFamily(
        "node_cpu_seconds", "Seconds each processor spent in each mode.", labels=["cpu", "mode"]
    )
    for cpu, times in enumerate(psutil.cpu_times(percpu=True)):
        for mode, seconds in times._asdict().items():
            if not mode.startswith("guest"):  # user and nice include it
                family.add_metric([str(cpu), mode], seconds)
    yield family


def _memory() -> Iterator[Metric]:
    memory = psutil.virtual_memory()._asdict()
    for field, name in _MEMORY.items():
        if field in memory:
            yield GaugeMetricFamily(f"node_memory_{name}_bytes", f"Memory: {field}.", memory[field])
    swap = psutil.swap_memory()
    yield GaugeMetricFamily("node_memory_SwapTotal_bytes", "Swap space.", swap.total)
    yield GaugeMetricFamily("node_memory_SwapFree_bytes", "Swap space not in use.", swap.free)


def _load() -> Iterator[Metric]:
    for minutes, load in zip((1, 5, 15), psutil.getloadavg(), strict=True):
        yield GaugeMetricFamily(f"node_load{minutes}", f"Load, mean of {minutes} min.", load)
    yield GaugeMetricFamily(
        "node_boot_time_seconds", "When the machine started, since 1970.", psutil.boot_time()
    )


def _network() -> Iterator[Metric]:
    yield from _by_device(
        psutil.net_io_counters(pernic=True),
        "node_network",
        {
            "receive_bytes": ("bytes_recv", 1.0),
            "transmit_bytes": ("bytes_sent", 1.0),
            "receive_packets": ("packets_recv", 1.0),
            "transmit_packets": ("packets_sent", 1.0),
            "receive_errs": ("errin", 1.0),
            "transmit_errs": ("errout", 1.0),
            "receive_drop": ("dropin", 1.0),
            "transmit_drop": ("dropout", 1.0),
        },
    )


def _disks() -> Iterator[Metric]:
    disks = psutil.disk_io_counters(perdisk=True) or {}
    yield from _by_device(
        {n: d for n, d in disks.items() if not n.startswith(_DEVICE_PREFIXES_LEFT_OUT)},
        "node_disk",
        {
            "reads_completed": ("read_count", 1.0),
            "writes_completed": ("write_count", 1.0),
            "read_bytes": ("read_bytes", 1.0),
            "written_bytes": ("write_bytes", 1.0),
            "read_time_seconds": ("read_time", 1e-3),
            "write_time_seconds": ("write_time", 1e-3),
        },
    )


def _by_device(
    devices: Mapping[str, object], prefix: str, fields: Mapping[str, tuple[str, float]]
) -> Iterator[Metric]:
    """A counter for each field, a series for each device. fields: name → psutil's name, factor"""
    for name, (field, factor) in fields.items():
        family = CounterMetricFamily(
            f"{prefix}_{name}", f"{name.replace('_', ' ')} of each device.", labels=["device"]
        )
        for device, counters in sorted(devices.items()):
            value = getattr(counters, field, None)
            if value is not None:
                family.add_metric([device], value * factor)
        if family.samples:
            yield family


def _filesystems() -> Iterator[Metric]:
    size, free = (
        GaugeMetricFamily(
            f"node_filesystem_{name}_bytes",
            f"File system space: {name}.",
            labels=["device", "fstype", "mountpoint"],
        )
        for name in ("size", "avail")
    )
    disks: dict[str, Any] = {}
    for disk in psutil.disk_partitions(all=False):
        disks.setdefault(disk.device, disk)
    for device, disk in disks.items():
        with contextlib.suppress(OSError):  # this user may not access the mount point
            usage = psutil.disk_usage(disk.mountpoint)
            labels = [device, disk.fstype, disk.mountpoint]
            size.add_metric(labels, usage.total)
            free.add_metric(labels, usage.free)
    yield from (family for family in (size, free) if family.samples)
