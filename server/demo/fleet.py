"""Generate samples of the demo's fleet: the last day at once, then new samples as time passes.

All random numbers come from one seed, in order of the steps. So the samples do not depend on the
sizes of the batches.
"""

from __future__ import annotations

import numpy as np

from novaql.server.demo.shape import (
    BAD_VERSION,
    BROKEN,
    EXTRA_ERRORS,
    RESTARTED,
    SERVICES,
    SLOWDOWN,
    Incident,
    daily,
    wobble,
)
from novaql.tsdb import STALE, Batch, Bools, Floats, Ints, Metadata, SeriesTable

JOB = "shop"
INTERVAL_S = 15
DAY_S = 24 * 3600
BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
_REQUESTS = (("GET", "200"), ("GET", "404"), ("GET", "error"), ("POST", "201"), ("POST", "error"))
_MEAN_OF_BUCKET = np.array([3500, 7600, 17000, 36000, 73000, 165000, 350000, 700000, 1550000,
                            3400000, 7300000])  # fmt: skip
"""Mean duration of the requests in each bucket, in microseconds."""

METADATA = {
    "up": Metadata("gauge", "Whether the last scrape of the target succeeded."),
    "http_requests_total": Metadata("counter", "Requests answered."),
    "http_request_duration_seconds": Metadata("histogram", "Time to answer.", "seconds"),
    "process_cpu_seconds_total": Metadata("counter", "Processor time used.", "seconds"),
    "process_resident_memory_bytes": Metadata("gauge", "Memory in use.", "bytes"),
    "queue_depth": Metadata("gauge", "Jobs that wait."),
    "deploy_info": Metadata("gauge", "Always 1; the version that runs."),
}


class Fleet:
    """Generates samples from a day before `now_ms` on, one step every `INTERVAL_S` seconds.

    `take(steps)` and `until(now_ms)` return the next steps as batches, each sample once.
    Times are milliseconds.
    """

    def __init__(self, now_ms: int, *, seed: int = 20, history_s: int = DAY_S) -> None:
        newest = now_ms // 1000 // INTERVAL_S * INTERVAL_S
        self.incident = Incident.before(float(newest))
        self.history_steps = history_s // INTERVAL_S + 1
        self._next_s = newest - history_s
        self._services = [service for service in SERVICES for _ in range(service.instances)]
        self.instances = [f"{s.name}-{n + 1}" for s in SERVICES for n in range(s.instances)]
        self._service_names = np.array([service.name for service in self._services])
        count = len(self.instances)
        start, *streams = np.random.default_rng(seed).spawn(5)
        self._requests_rng, self._latency_rng, self._cpu_rng, self._gauge_rng = streams
        self._phases = start.uniform(0, 2 * np.pi, count)
        self.series = SeriesTable.from_dicts(self._label_sets())
        widths = (len(_REQUESTS), len(BOUNDS) + 1, 1, 1)
        self._totals = [np.zeros((count, width), np.int64) for width in widths]
        self._was_there = np.zeros(len(self.series), np.bool_)
        self._was_alive = np.ones(count, np.bool_)

    @property
    def next_ms(self) -> int:
        """Time of the next step."""
        return self._next_s * 1000

    def until(self, now_ms: int) -> Batch | None:
        """All steps up to `now_ms`; None if no step is due."""
        due = (now_ms - self.next_ms) // (INTERVAL_S * 1000) + 1
        return self.take(due) if due > 0 else None

    def take(self, steps: int) -> Batch:
        """The next steps, sorted by series, then time."""
        seconds = self._next_s + INTERVAL_S * np.arange(steps, dtype=np.int64)
        self._next_s += INTERVAL_S * steps
        times = seconds.astype(np.float64)
        alive = self._alive(times)
        values, there = self._samples(times, alive)
        # A series that ends gets one staleness marker, at the first step without it.
        before = np.concatenate([self._was_there[None], there[:-1]])
        gone = before & ~there
        self._was_there = there[-1]
        self._was_alive = alive[-1]
        values[gone] = STALE
        row, step = np.nonzero((there | gone).T)
        return Batch(self.series, row.astype(np.int64), seconds[step] * 1000, values[step, row])

    def _alive(self, times: Floats) -> Bools:
        """Whether each instance runs at each time: [T, I]."""
        down = self.incident.is_down(times)[:, None]
        alive: Bools = ~(down & (np.array(self.instances) == RESTARTED))
        return alive

    def _samples(self, times: Floats, alive: Bools) -> tuple[Floats, Bools]:
        """Values of every series, and whether it has a sample: [T, S], in the order of
        `_label_sets`."""
        severity = self.incident.severity(times)[:, None]
        wave = wobble(times, self._phases)
        requests = self._draw_requests(times, alive, severity, wave)
        buckets = self._draw_latency(requests.sum(axis=2), severity, wave)
        micros = (buckets * _MEAN_OF_BUCKET).sum(axis=2)
        ticks = self._draw_cpu(requests.sum(axis=2), severity, alive)
        born = alive & ~np.concatenate([self._was_alive[None], alive[:-1]])
        grown = [
            self._accumulate(kind, growth, born)
            for kind, growth in enumerate((requests, buckets, micros[..., None], ticks[..., None]))
        ]
        cumulative = np.cumsum(grown[1], axis=2)
        memory, queue = self._draw_gauges(times, severity, wave)
        bad = self.incident.runs_bad_version(times)[:, None] & (self._service_names == BROKEN)
        blocks = [
            alive[..., None],
            grown[0],
            cumulative,
            cumulative[..., -1:],
            grown[2] / 1e6,
            grown[3] / 100,
            memory[..., None],
            queue[..., None],
            np.ones((*alive.shape, 1)),
        ]
        values = [block.reshape(len(times), -1).astype(np.float64) for block in blocks]
        there = [np.repeat(alive, block.shape[2], axis=1) for block in blocks]
        there[0] = np.ones_like(there[0])  # `up` is always present: 0 for a stopped instance
        there[-1] = alive & ~bad
        broken = self._service_names == BROKEN
        values.append(np.ones((len(times), int(broken.sum()))))
        there.append((alive & bad)[:, broken])
        return np.concatenate(values, axis=1), np.concatenate(there, axis=1)

    def _accumulate(self, kind: int, growth: Ints, born: Bools) -> Ints:
        """Add up counters from their growth per step [T, I, K]; reset them when an instance
        starts."""
        grown = self._totals[kind] + np.cumsum(growth, axis=0)
        for step, instance in np.argwhere(born).tolist():
            grown[step:, instance] -= grown[step, instance] - growth[step, instance]
        self._totals[kind] = grown[-1]
        return grown

    def _draw_requests(self, times: Floats, alive: Bools, severity: Floats, wave: Floats) -> Ints:
        """Number of requests in each step: [T, I, method and status]."""
        peers = np.array([service.instances for service in self._services])
        rate = np.array([service.rate for service in self._services]) / peers
        # The other instances of a service take over the load of a stopped one.
        same = self._service_names[:, None] == self._service_names
        load = (
            rate
            * daily(times)[:, None]
            * (1 + 0.12 * wave)
            * peers
            / (alive.astype(np.float64) @ same)
        )
        share = np.array([service.errors for service in self._services]) * (1 + 0.4 * wave)
        share = share + severity * self._per_service(EXTRA_ERRORS, 0.0)
        good = 1 - share
        mean = np.stack(
            [good * 0.71, good * 0.015, share * 0.62, good * 0.275, share * 0.38], axis=2
        )
        drawn: Ints = self._requests_rng.poisson(mean * (load * alive)[..., None] * INTERVAL_S)
        return drawn

    def _draw_latency(self, requests: Ints, severity: Floats, wave: Floats) -> Ints:
        """Number of requests in each bucket (not cumulative): [T, I, B]."""
        median = np.array([service.median for service in self._services])
        slow = 1 + severity * (self._per_service(SLOWDOWN, 1.0) - 1)
        # A log-logistic distribution: a closed form with a long tail, as for real latencies.
        ratio = np.array(BOUNDS) / (median * (1 + 0.15 * wave) * slow)[..., None]
        below = 1 / (1 + ratio**-2.6)
        share = np.diff(below, axis=2, prepend=0.0, append=1.0)
        drawn: Ints = self._latency_rng.multinomial(requests, share)
        return drawn

    def _draw_cpu(self, requests: Ints, severity: Floats, alive: Bools) -> Ints:
        """Hundredths of a second of processor time in each step: [T, I]."""
        cost = np.array([service.cpu for service in self._services])
        cost = cost * (1 + 0.9 * severity * (self._service_names == BROKEN))
        drawn: Ints = self._cpu_rng.poisson((requests * cost + 0.02 * INTERVAL_S) * 100 * alive)
        return drawn

    def _draw_gauges(self, times: Floats, severity: Floats, wave: Floats) -> tuple[Floats, Floats]:
        """Memory in bytes, in whole pages, and waiting jobs: both [T, I]."""
        noise = self._gauge_rng.random((len(times), len(self.instances), 2))
        broken = self._service_names == BROKEN
        base = np.array([service.memory for service in self._services])
        collected = (times[:, None] / 540 + self._phases) % 1  # garbage grows until it is collected
        grown = 1 + 0.05 * wave + 0.09 * collected + 0.01 * noise[..., 0]
        memory = np.floor(base * (grown + 0.7 * severity * broken) / 4096) * 4096
        waiting = daily(times)[:, None] * 3 * (1 + wave) + severity * broken * 240
        return memory, np.floor(waiting * (0.6 + 0.8 * noise[..., 1]))

    def _per_service(self, of: dict[str, float], otherwise: float) -> Floats:
        return np.array([of.get(service.name, otherwise) for service in self._services])

    def _label_sets(self) -> list[dict[str, str]]:
        """Label sets of the series, in the order of the columns of `_samples`."""
        targets = [
            {"job": JOB, "service": service.name, "instance": instance}
            for service, instance in zip(self._services, self.instances, strict=True)
        ]
        each = list(zip(targets, self._services, strict=True))
        bounds = [*(f"{bound:g}" for bound in BOUNDS), "+Inf"]
        histogram = "http_request_duration_seconds"

        def single(name: str) -> list[dict[str, str]]:
            return [{"__name__": name, **target} for target in targets]

        return [
            *single("up"),
            *(
                {
                    "__name__": "http_requests_total",
                    **target,
                    "method": method,
                    "status": service.error_status if status == "error" else status,
                }
                for target, service in each
                for method, status in _REQUESTS
            ),
            *(
                {"__name__": f"{histogram}_bucket", **target, "le": bound}
                for target in targets
                for bound in bounds
            ),
            *single(f"{histogram}_count"),
            *single(f"{histogram}_sum"),
            *single("process_cpu_seconds_total"),
            *single("process_resident_memory_bytes"),
            *single("queue_depth"),
            *(
                {"__name__": "deploy_info", **target, "version": service.version}
                for target, service in each
            ),
            *(
                {"__name__": "deploy_info", **target, "version": BAD_VERSION}
                for target, service in each
                if service.name == BROKEN
            ),
        ]
