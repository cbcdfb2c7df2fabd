"""Figures for monitoring, in Prometheus' text format. An API key with the scope ``metrics:read`` reads them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import sqlalchemy as sa
from litestar import Response, get
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from aimscope_collector.deliver.configured import DestinationsError
from aimscope_collector.deliver.destination import Destination
from aimscope_collector.http.given import Given, Here
from aimscope_collector.store import exports, journal
from aimscope_collector.store.tables.fleet import AGENT, EPOCH
from aimscope_collector.store.tables.review import FINDING

MEDIA_TYPE: Final = "text/plain; version=0.0.4"
_SILENT: Final = 2 * 86_400


class Figures(Collector):
    """Reads the database when asked: the same figures whichever of several collectors is."""

    def __init__(self, given: Given) -> None:
        self._given = given

    def collect(self) -> Iterator[Metric]:
        """All figures."""
        now = self._given.now()
        with self._given.engine.connect() as connection:
            yield from _of_destinations(connection, _destinations(self._given), now)
            yield from _of_fleet(connection, now)


def _destinations(given: Given) -> dict[str, Destination]:
    try:
        return given.exporter().destinations if given.exporter is not None else {}
    except DestinationsError:
        return {}


def _of_destinations(connection: sa.Connection, known: dict[str, Destination], now: int) -> Iterator[Metric]:
    states, dead = exports.states(connection), exports.dead_counts(connection)
    label = ["destination"]
    waiting = GaugeMetricFamily("aimscope_export_queue_events", "Events that wait for a destination.", labels=label)
    lag = GaugeMetricFamily("aimscope_export_lag_seconds", "Age of the oldest event that waits.", labels=label)
    up = GaugeMetricFamily("aimscope_export_up", "1 where the latest attempt did not fail.", labels=label)
    dead_now = GaugeMetricFamily(
        "aimscope_export_dead_letters", "Events refused, or not taken for a week.", labels=label
    )
    last = GaugeMetricFamily(
        "aimscope_export_last_delivered_seconds", "When an event was last delivered.", labels=label
    )
    delivered = CounterMetricFamily("aimscope_export_delivered", "Events delivered.", labels=label)
    failed = CounterMetricFamily("aimscope_export_failures", "Attempts that failed.", labels=label)
    dropped = CounterMetricFamily("aimscope_export_dropped", "Events removed before they were delivered.", labels=label)
    held = CounterMetricFamily("aimscope_export_held_back", "Mere numbers beyond the day's budget.", labels=label)
    for name, one in sorted(known.items()):
        state = states.get(name)
        if state is None:
            continue
        count, oldest = journal.waiting(connection, after=state.cursor, wanted=one.wanted)
        waiting.add_metric([name], count)
        lag.add_metric([name], 0 if oldest is None else max(0, now - oldest))
        up.add_metric([name], 0 if state.failing_since is not None else 1)
        dead_now.add_metric([name], dead.get(name, 0))
        last.add_metric([name], state.delivered_at or 0)
        delivered.add_metric([name], state.delivered)
        failed.add_metric([name], state.failed)
        dropped.add_metric([name], state.dropped)
        held.add_metric([name], state.held_back)
    yield from (waiting, lag, up, dead_now, last, delivered, failed, dropped, held)
    yield GaugeMetricFamily("aimscope_journal_events", "Events that are kept.", value=journal.size(connection))


def _of_fleet(connection: sa.Connection, now: int) -> Iterator[Metric]:
    state = sa.case(
        (AGENT.c.revoked_at.is_not(None), "revoked"),
        (AGENT.c.replaced_by.is_not(None), "replaced"),
        (AGENT.c.approved_at.is_(None), "waiting"),
        (AGENT.c.last_seen <= now - _SILENT, "silent"),
        else_="reporting",
    ).label("state")
    agents = GaugeMetricFamily("aimscope_agents", "Agents; silent for two days or more.", labels=["state"])
    for row in connection.execute(sa.select(state, sa.func.count()).group_by(state).order_by(state)):
        agents.add_metric([row[0]], row[1])
    findings = GaugeMetricFamily("aimscope_findings", "Findings, as they stand.", labels=["verdict", "state"])
    keys = (FINDING.c.verdict, FINDING.c.state)
    query = sa.select(*keys, sa.func.count()).where(FINDING.c.present == 1).group_by(*keys).order_by(*keys)
    for verdict, standing, count in connection.execute(query):
        findings.add_metric([verdict, standing], count)
    reports = connection.execute(sa.select(sa.func.sum(EPOCH.c.sequence))).scalar_one()
    yield from (agents, findings)
    yield CounterMetricFamily("aimscope_reports", "Reports of agents that were kept.", value=int(reports or 0))


@get("/metrics", opt={"needs": "metrics:read"}, sync_to_thread=True, tags=["metrics"])
def read_metrics(given: Here) -> Response[bytes]:
    """Figures of deliveries, agents and findings."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Figures(given))
    return Response(generate_latest(registry), media_type=MEDIA_TYPE)


ROUTES: Final = (read_metrics,)
