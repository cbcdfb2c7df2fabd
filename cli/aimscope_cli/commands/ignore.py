"""Leave a wrong detection out on this machine, with a reason and until a day."""

from __future__ import annotations

import datetime
from typing import Annotated

import typer

from aimscope_cli.output import Failure, emit_json, hint, say

app = typer.Typer(add_completion=False)


@app.command()
def ignore(
    service: Annotated[
        str, typer.Argument(help="Service id the detection claims; without one: list what is ignored.")
    ] = "",
    reason: Annotated[str, typer.Option(help="Why the detection is wrong.")] = "",
    until: Annotated[datetime.datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Last day, YYYY-MM-DD.")] = None,
    kind: Annotated[str, typer.Option(help="Only this kind of evidence.")] = "",
    evidence: Annotated[
        list[str] | None, typer.Option(help="Only where this field has this value: name=value. Repeatable.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of text.")] = False,
) -> None:
    """Ignore a wrong detection on this machine, with a reason and an expiry; or list what is ignored.

    Ignored sightings are left out of findings, but counted in every report. The signature itself may need a fix: please
    report a wrong detection upstream, too.
    """
    from aimscope_agent.host.tree import clean
    from aimscope_cli.catalogues import open_catalogue
    from aimscope_cli.inventories import ignores_path, local_ignores
    from aimscope_collector.inventory.ignores import add_ignore
    from aimscope_collector.inventory.model import Ignore
    from aimscope_signatures.kinds import KINDS

    if not service:
        found = local_ignores()
        if as_json:
            emit_json(found)
            return
        for one in found:
            what = " ".join((one.service, one.kind, *(f"{k}={v}" for k, v in one.evidence.items()))).strip()
            say(f"{what} until {one.expiry}: {one.reason}")
        hint(f"{len(found)} ignored ({ignores_path()})")
        return
    if not reason or until is None:
        raise Failure("an ignore needs a reason and an end: --reason TEXT --until YYYY-MM-DD")
    if until.date() < datetime.datetime.now(datetime.UTC).date():
        raise Failure(f"{until.date()} has passed; --until takes the last day on which it is to be ignored")
    if service not in open_catalogue():
        raise Failure(f"no service {service!r}; `aimscope signatures list` shows them")
    if kind and kind not in KINDS:
        raise Failure(f"no kind of evidence {kind!r}; --explain and --json name the kind of each")
    fields = dict(_pair(clean(text)) for text in evidence or ())
    added = add_ignore(
        ignores_path(), Ignore(service=service, reason=clean(reason), expiry=until.date(), kind=kind, evidence=fields)
    )
    if added.content is None:
        raise Failure(f"{ignores_path()} cannot be used", details=map(str, added.errors))
    say(f"{service} is ignored until {until.date()}")


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise Failure(f"--evidence {text!r}: write name=value, as --explain and --json show it")
    return name.strip(), value.strip()
