"""How is it doing? Figures for Prometheus, in a registry of our own, so that two applications in a process do not meet."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.25, 0.5, 1, 2.5, 10)


class Metrics:
    """What is counted and timed."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "fenxiao_requests_total", "Answers.", ("route", "method", "status"), registry=self.registry
        )
        self.seconds = Histogram(
            "fenxiao_request_seconds",
            "Time to an answer.",
            ("route",),
            registry=self.registry,
            buckets=_SECONDS,
        )
        self.stage_seconds = Histogram(
            "fenxiao_stage_seconds",
            "Time of each stage of a list: answer (its turn, candidates, rules, rank, expectations), write (the document).",
            ("stage",),
            registry=self.registry,
            buckets=_SECONDS,
        )
        self.left_out = Counter(
            "fenxiao_left_out_total",
            "Pairings left out of lists, by rule.",
            ("rule",),
            registry=self.registry,
        )
        self.problems = Counter(
            "fenxiao_problems_total", "Problem documents.", ("code",), registry=self.registry
        )
        self.swaps = Counter("fenxiao_engine_swaps_total", "Engines swapped in.", registry=self.registry)
        self.failed_loads = Counter(
            "fenxiao_failed_loads_total", "Loads that failed.", registry=self.registry
        )
        self.snapshot_age = Gauge(
            "fenxiao_snapshot_age_seconds", "How far the snapshot lies behind now.", registry=self.registry
        )
        self.model_age = Gauge(
            "fenxiao_model_age_seconds",
            "Since the model's data ended; -1 where a source serves.",
            registry=self.registry,
        )
        self.journal_waiting = Gauge(
            "fenxiao_journal_waiting_events",
            "Feedback on disk and not yet in the store.",
            registry=self.registry,
        )
        self.journal_dropped = Gauge(
            "fenxiao_journal_dropped_events",
            "Exposures that could not be written down.",
            registry=self.registry,
        )
