"""The catalogue in force in this process: what came with aimscope, and the organisation's own services over it.

Whoever asks for the matcher or the services asks here each time: what the organisation publishes, on this collector or
on another one of the same database, is in force without a restart.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping

import sqlalchemy as sa

from aimscope_collector.from_catalogue import services_of
from aimscope_collector.services import Service
from aimscope_collector.store import feeds
from aimscope_signatures import bundle
from aimscope_signatures.catalogue import Catalogue
from aimscope_signatures.matcher import Matcher

_LOG = logging.getLogger("aimscope.collector")


class InForce:
    """One for a process. Replaced as a whole, so that threads see the one before or the one after."""

    def __init__(self, shipped: Catalogue) -> None:
        self.shipped = shipped
        self._overlay = ""
        self._put(shipped)
        self.services: Mapping[str, Service] = _Services(self)
        """By id, always those in force."""

    def follow(self, connection: sa.Connection) -> bool:
        """Put in force what was published last. Whether that is another catalogue than before."""
        offered = feeds.current(connection).get("overlay")
        digest = offered.sha256 if offered else ""
        if digest == self._overlay:
            return False
        body = feeds.body(connection, name="overlay", sha256=digest) if digest else None
        own: Catalogue | None = None
        if body:
            try:
                own = bundle.unpack(body)
            except ValueError as error:
                _LOG.warning("the organisation's own services are left out, publish them again: %s", error)
        self._overlay = digest
        self._put(self.shipped.overlaid(own) if own is not None else self.shipped)
        return True

    def matcher(self) -> Matcher:
        """Asks the catalogue in force."""
        return self._matcher

    def known(self) -> tuple[Service, ...]:
        """Every service in force."""
        return self._known

    def by_id(self) -> Mapping[str, Service]:
        """The same by id: of one moment."""
        return self._by_id

    def _put(self, catalogue: Catalogue) -> None:
        self._known = services_of(catalogue)
        self._by_id = {one.id: one for one in self._known}
        self._matcher = Matcher(catalogue)


class _Services(Mapping[str, Service]):
    """The services in force, by id, for whoever keeps hold of them."""

    def __init__(self, source: InForce) -> None:
        self._source = source

    def __getitem__(self, key: str) -> Service:
        return self._source.by_id()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._source.by_id())

    def __len__(self) -> int:
        return len(self._source.by_id())
