"""The findings of a fleet."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from aimscope_cli.asking import Authority, Collector, Folder, KeyFile, asked
from aimscope_cli.collecting import Json
from aimscope_cli.output import emit_json, hint, say

app = typer.Typer(add_completion=False)
_FOUND = 3
_PRESSING = {"unregistered", "prohibited", "unknown_ai"}
_OPEN = {"unreviewed", "under_review", "escalated", "prohibited"}


@app.command("list")
def list_findings(
    collector: Collector = None,
    key_file: KeyFile = None,
    ca: Authority = None,
    folder: Folder = None,
    verdict: Annotated[str | None, typer.Option(help="As unregistered, prohibited, unknown_ai.")] = None,
    state: Annotated[str | None, typer.Option(help="As unreviewed, under_review, tolerated.")] = None,
    unit: Annotated[str | None, typer.Option(help="A unit and those below it.")] = None,
    service: Annotated[str | None, typer.Option(help="Id of a service.")] = None,
    category: Annotated[str | None, typer.Option(help="Category of services.")] = None,
    risk: Annotated[str | None, typer.Option(help="low, medium, high or critical.")] = None,
    assignee: Annotated[str | None, typer.Option(help="Whose they are to decide.")] = None,
    text: Annotated[str | None, typer.Option(help="Part of the name.")] = None,
    days: Annotated[int | None, typer.Option(help="Seen in the last 7, 30 or 90 days.")] = None,
    order: Annotated[str, typer.Option(help="risk, recent, spread, name or opened.")] = "risk",
    gone: Annotated[bool, typer.Option("--gone", help="Also what is found no more.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=1_000_000, help="At most so many.")] = 200,
    as_json: Json = False,
) -> None:
    """Findings that fit, the most pressing first.

    Exit status 3 where one of them is use that is unregistered, prohibited or in no catalogue, and nobody settled it.
    """
    with asked(collector, key_file, ca, folder) as asker:
        found = asker.pages(
            "/findings",
            limit,
            verdict=verdict,
            state=state,
            unit=unit,
            service=service,
            category=category,
            risk=risk,
            assignee=assignee,
            text=text,
            days=days,
            order=order,
            gone=gone or None,
        )
    if as_json:
        emit_json(found)
    else:
        _table(found)
    if any(one["present"] and one["verdict"] in _PRESSING and one["state"] in _OPEN for one in found):
        raise typer.Exit(_FOUND)


def _table(found: list[dict[str, Any]]) -> None:
    for one in found:
        count = f"<{one['fewer_than']}" if one["assets"] is None else f"{one['assets']}"
        name = one["name"] if not one["condition"] else f"{one['name']} ({one['condition']})"
        words = f"{one['verdict']:<15} {one['state']:<12} {one['risk']:<8} {count:>6}"
        say(f"{one['id']:<22} {words}  {one['unit'] or '-':<24} {name}")
    hint(f"{len(found)} findings")
