"""How an agent is, put together from its parts: what it writes down for `aimscope agent status`."""

from __future__ import annotations

import os
from collections.abc import Mapping

from aimscope_agent.ledger import LedgerError
from aimscope_agent.service.book import Book
from aimscope_agent.service.reporter import Reporter
from aimscope_agent.service.status import Status
from aimscope_agent.trust import Trust
from aimscope_signatures.version import __version__

_MOST_NOTICES = 64


def gathered(
    reporter: Reporter,
    book: Book,
    trust: Trust,
    *,
    at: int,
    started: int,
    upcoming: Mapping[str, int],
    running: tuple[str, ...],
) -> Status:
    """How things are. ``upcoming`` is when each duty is to be done next."""
    known, ledger = reporter.identity, book.ledger
    try:
        pending, epoch = ledger.waiting(), ledger.epoch
    except LedgerError:
        pending, epoch = 0, ""
    return Status(
        at=at,
        pid=os.getpid(),
        started=started,
        version=__version__,
        collector=reporter.collector.url,
        agent=known.uid if known else "",
        approved=known.approved if known else False,
        revoked=reporter.revoked,
        last_contact=reporter.last_contact,
        trouble=reporter.trouble,
        pending=pending,
        epoch=epoch,
        catalogue=book.catalogue,
        feeds=trust.versions(),
        stale=trust.stale(at),
        last=book.last,
        next=dict(upcoming),
        running=running,
        notices=(*book.notices, *reporter.notices)[:_MOST_NOTICES],
    )
