"""Which device an address was: `aimscope collector addresses import`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from aimscope_cli.asking import Authority, Collector, Folder, KeyFile, asked
from aimscope_cli.collecting import Json
from aimscope_cli.output import Failure, emit_json, hint, say

app = typer.Typer(help="Which device an address was, and when.", no_args_is_help=True, add_completion=False)
_MOST = 50_000_000


class Form(StrEnum):
    """Kinds of files."""

    AUTO = "auto"
    DNSMASQ = "dnsmasq"
    HOSTS = "hosts"
    ISC = "isc"
    KEA = "kea"
    TABLE = "table"


@app.callback()
def _commands() -> None:
    """Which device an address was, and when."""


@app.command("import")
def import_(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="dhcpd.leases, dnsmasq.leases, Kea's or another CSV.")],
    form: Annotated[Form, typer.Option("--format", help="What the file is.")] = Form.AUTO,
    domain: Annotated[str, typer.Option(help="Completes names without a dot: corp.example.")] = "",
    collector: Collector = None,
    key_file: KeyFile = None,
    ca: Authority = None,
    folder: Folder = None,
    as_json: Json = False,
) -> None:
    """Say which devices had which addresses, so that what gateways saw is laid to the right device.

    Leases of a DHCP server with their times, or names of addresses (hosts, CSV). Import it regularly: names without an
    end are believed for 30 days. Names and addresses are kept as pseudonyms only.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_MOST + 1)
    except OSError as error:
        raise Failure(f"{path} cannot be read: {error.strerror}") from None
    with asked(collector, key_file, ca, folder) as asker:
        import msgspec

        params = {"form": form.value, "domain": domain}
        found = msgspec.json.decode(asker.raw("POST", "/addresses", params, data))
    if as_json:
        emit_json(found)
        return
    taken = found["taken"]
    for problem in found["problems"]:
        hint(problem)
    say(f"{taken['leases']} entries ({taken['form']}): {taken['claims']} changed who had an address")
    hint(
        f"{taken['new']} devices that gateways saw have a name now, {taken['unknown']} entries are of devices nobody "
        f"knows, {taken['nameless']} name no device"
    )
