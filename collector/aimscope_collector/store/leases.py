"""Who had which address when, as DHCP servers and reverse names tell it: claims beside those of agents and lists.

An agent's own word and an imported list count before a lease, and a lease before a reverse name (``assets.resolve``).
Of one device's several leases of one address the whole time between them is kept: where another device had it meanwhile
nobody can tell, and the use stays with the address.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import msgspec
import sqlalchemy as sa

from aimscope_collector.address_lists import Found, Lease, Source
from aimscope_collector.audit import Fact
from aimscope_collector.door import Door
from aimscope_collector.store import assets, audit
from aimscope_collector.store._insert import batches, insert
from aimscope_collector.store.tables.fleet import ASSET, ASSET_ADDRESS

LASTS: Final = 30 * 86_400
"""Seconds for which a name without an end is believed: whoever imports names does so again."""


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a file. ``unknown`` are leases of devices that nobody knows and no gateway saw."""

    form: str
    leases: int
    claims: int
    new: int
    unknown: int
    nameless: int


class _Held(msgspec.Struct, frozen=True, order=True):
    """A device had an address."""

    begins: int
    ends: int
    asset: int


def take(
    connection: sa.Connection, found: Found, *, door: Door, domain: str = "", actor: str, now: int, lasts: int = LASTS
) -> Taken:
    """Keep who had which address; what was imported before stays. Names and addresses go no further than this.

    ``domain`` completes names without a dot. A device of a name that nobody knows is made only where a gateway saw its
    address: it is unmanaged, and has a name now.
    """
    names = {lease.name for lease in found.leases}
    known = _known(connection, names, door, domain)
    new = _seen_only(connection, [lease for lease in found.leases if lease.name not in known], door, now)
    known |= new
    held: dict[str, list[_Held]] = defaultdict(list)
    unknown = 0
    for lease in found.leases:
        if lease.name not in known:
            unknown += 1
            continue
        begins = now if lease.begins is None else lease.begins
        ends = max(begins, now + lasts if lease.ends is None else lease.ends)
        held[door.asset_pseudonym(lease.address)].append(_Held(begins, ends, known[lease.name]))
    claims = sum(_keep(connection, some, held, found.source) for some in batches(sorted(held)))
    taken = Taken(
        form=found.form,
        leases=len(found.leases),
        claims=claims,
        new=len(set(new.values())),
        unknown=unknown,
        nameless=found.nameless,
    )
    facts: dict[str, Fact] = {name: getattr(taken, name) for name in ("form", "leases", "claims", "new", "unknown")}
    audit.record(connection, at=now, actor=actor, action="asset.addresses", about=found.form, facts=facts)
    return taken


def _known(connection: sa.Connection, names: Iterable[str], door: Door, domain: str) -> dict[str, int]:
    """Name → the device that is called so, also with the domain, or without its own where that tells it."""
    shorts: dict[str, set[str]] = defaultdict(set)
    for name in names:
        shorts[name.partition(".")[0].casefold()].add(name.casefold())
    spellings: dict[str, list[str]] = {}
    for name in names:
        short = name.partition(".")[0]
        spellings[name] = [name]
        if short == name and domain:
            spellings[name].append(f"{name}.{domain.strip('.')}")
        elif short != name and len(shorts[short.casefold()]) == 1:
            spellings[name].append(short)
    pseudonyms = {text: door.asset_pseudonym(text) for several in spellings.values() for text in several}
    devices = _devices(connection, set(pseudonyms.values()))
    found: dict[str, int] = {}
    for name, several in spellings.items():
        device = next((devices[pseudonyms[text]] for text in several if pseudonyms[text] in devices), None)
        if device is not None:
            found[name] = device
    return found


def _devices(connection: sa.Connection, pseudonyms: Iterable[str]) -> dict[str, int]:
    """Pseudonym of a name → the one device that has it, or says that it has it."""
    claimed: dict[str, set[int]] = defaultdict(set)
    found: dict[str, int] = {}
    for some in batches(sorted(pseudonyms)):
        rows = connection.execute(sa.select(ASSET_ADDRESS).where(ASSET_ADDRESS.c.pseudonym.in_(some)))
        for row in rows:
            claimed[row.pseudonym].add(row.asset)
        own = sa.select(ASSET.c.pseudonym, ASSET.c.id, ASSET.c.merged_into).where(ASSET.c.pseudonym.in_(some))
        found |= {row.pseudonym: row.merged_into or row.id for row in connection.execute(own)}
    return {name: min(several) for name, several in claimed.items() if len(several) == 1} | found


def _seen_only(connection: sa.Connection, leases: Iterable[Lease], door: Door, now: int) -> dict[str, int]:
    """Devices made for names whose address a gateway saw."""
    by_address: dict[str, set[str]] = defaultdict(set)
    for lease in leases:
        by_address[door.asset_pseudonym(lease.address)].add(lease.name)
    wanted: set[str] = set()
    for some in batches(sorted(by_address)):
        seen = sa.select(ASSET.c.pseudonym).where(ASSET.c.pseudonym.in_(some), ASSET.c.source == "gateway")
        for pseudonym in connection.execute(seen).scalars():
            wanted |= by_address[pseudonym]
    veiled = {name: door.device(name) for name in sorted(wanted)}
    ids = assets.intern(connection, veiled.values(), source="network", now=now)
    return {name: ids[each.pseudonym] for name, each in veiled.items()}


def _keep(connection: sa.Connection, pseudonyms: Sequence[str], held: dict[str, list[_Held]], source: Source) -> int:
    c = ASSET_ADDRESS.c
    before: dict[str, dict[int, tuple[int, int]]] = defaultdict(dict)
    for row in connection.execute(sa.select(ASSET_ADDRESS).where(c.pseudonym.in_(pseudonyms), c.source == source)):
        before[row.pseudonym][row.asset] = (row.valid_from, row.valid_to)
    rows = [
        {"pseudonym": pseudonym, "asset": asset, "source": source, "valid_from": begins, "valid_to": ends}
        for pseudonym in pseudonyms
        for asset, begins, ends in _merged(before[pseudonym], held[pseudonym])
    ]
    statement = insert(connection, ASSET_ADDRESS)
    statement = statement.on_conflict_do_update(
        index_elements=["pseudonym", "asset", "source"],
        set_={"valid_from": statement.excluded.valid_from, "valid_to": statement.excluded.valid_to},
    )
    if rows:
        connection.execute(statement, rows)
    return len(rows)


def _merged(known: dict[int, tuple[int, int]], new: Sequence[_Held]) -> Iterator[tuple[int, int, int]]:
    """Device, beginning and end of each claim of an address: whoever gets it, ends who had it before."""
    found = dict(known)
    for each in sorted(new):
        begins, ends = found.get(each.asset, (each.begins, each.ends))
        # the latest word about the end of a lease is the one that begins last
        found[each.asset] = (min(begins, each.begins), each.ends if each.begins >= begins else max(ends, each.ends))
        for other, (since, until) in found.items():
            if other != each.asset and since < each.begins < until:
                found[other] = (since, each.begins - 1)
    for asset, (begins, ends) in sorted(found.items()):
        if known.get(asset) != (begins, ends):
            yield asset, begins, ends
