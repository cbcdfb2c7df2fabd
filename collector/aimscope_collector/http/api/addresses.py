"""Leases and names of addresses: which device a gateway's client was."""

from __future__ import annotations

from typing import Annotated, Any, Final

import anyio.to_thread
import msgspec
from litestar import Request, post
from litestar.params import QueryParameter

from aimscope_collector import address_lists
from aimscope_collector.http.given import Here, Who
from aimscope_collector.http.problems import Failed
from aimscope_collector.store import leases
from aimscope_collector.store.database import writing
from aimscope_collector.store.leases import Taken

Form = Annotated[
    str, QueryParameter(pattern=r"^[a-z]{2,16}$", description="auto, dnsmasq, hosts, isc, kea or table (CSV).")
]
Domain = Annotated[str, QueryParameter(pattern=r"^[A-Za-z0-9.-]{0,253}$", description="Completes names without a dot.")]


class Imported(msgspec.Struct, frozen=True):
    """What came of the file, and lines that were not understood."""

    taken: Taken
    problems: tuple[str, ...]


@post("/addresses", opt={"needs": "agents:write"}, tags=["assets"], request_max_body_size=address_lists.MAX_BYTES)
async def import_addresses(
    given: Here, who: Who, request: Request[Any, Any, Any], form: Form = "auto", domain: Domain = ""
) -> Imported:
    """Who had which address, from a DHCP server's leases or a list of names. What was imported before stays.

    Agents' own word and the list of devices count more. Names and addresses are kept as pseudonyms only.
    """
    body = await request.body()
    return await anyio.to_thread.run_sync(_import, given, who, body, form, domain)


def _import(given: Here, who: Who, body: bytes, form: str, domain: str) -> Imported:
    if who.units:
        raise Failed(403, "forbidden", "Addresses are the whole organisation's: your account has limits.")
    try:
        found = address_lists.read(body, form)
    except address_lists.Unread as error:
        raise Failed(422, "refused", f"The file cannot be used: {error}.") from None
    with writing(given.engine) as connection:
        taken = leases.take(connection, found, door=given.door, domain=domain, actor=who.name, now=given.now())
    if taken.claims:
        given.touch(None)
    return Imported(taken, found.problems)


ROUTES: Final = (import_addresses,)
