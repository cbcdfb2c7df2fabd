"""Decide about findings of a fleet."""

from __future__ import annotations

import datetime
from typing import Annotated, Any

import typer

from aimscope_cli.asking import Authority, Collector, Folder, KeyFile, asked
from aimscope_cli.collecting import Json
from aimscope_cli.output import Failure, emit_json, say

app = typer.Typer(add_completion=False)


@app.command()
def decide(
    findings: Annotated[list[str], typer.Argument(help="Ids of findings, as `list` shows them.")],
    action: Annotated[
        str,
        typer.Option(help="review, register, tolerate, prohibit, dismiss, escalate, reopen or assign."),
    ],
    reason: Annotated[str, typer.Option(help="Why, in a sentence.")] = "",
    collector: Collector = None,
    key_file: KeyFile = None,
    ca: Authority = None,
    folder: Folder = None,
    everywhere: Annotated[
        bool, typer.Option("--everywhere", help="For the whole organisation, present and future units.")
    ] = False,
    without: Annotated[
        list[str] | None, typer.Option("--except", help="Unit that such a decision leaves out. Repeatable.")
    ] = None,
    until: Annotated[
        datetime.datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Last day on which it holds.")
    ] = None,
    review_on: Annotated[
        datetime.datetime | None, typer.Option("--review-on", formats=["%Y-%m-%d"], help="To be looked at again.")
    ] = None,
    question: Annotated[str, typer.Option(help="What the committee is asked, with escalate.")] = "",
    assignee: Annotated[str | None, typer.Option(help="Whose it is to decide, with assign.")] = None,
    approver: Annotated[str, typer.Option(help="Who else agreed.")] = "",
    row: Annotated[str, typer.Option(help="Id of the inventory row, with register.")] = "",
    wrong: Annotated[
        bool, typer.Option("--wrong", help="With dismiss: the detection itself is wrong, and left out until a day.")
    ] = False,
    wrong_kind: Annotated[str, typer.Option("--wrong-kind", help="Only this kind of evidence is wrong.")] = "",
    as_json: Json = False,
) -> None:
    """Decide about one finding or several, all or none. A reason is needed, and kept."""
    said: dict[str, Any] = {
        "action": action,
        "reason": reason,
        "everywhere": everywhere,
        "except_units": without or [],
        "until": until.date().isoformat() if until else None,
        "review_on": review_on.date().isoformat() if review_on else None,
        "question": question,
        "assignee": assignee,
        "approver": approver,
        "row": row,
        "wrong": {"kind": wrong_kind} if wrong or wrong_kind else None,
    }
    if without and not everywhere:
        raise Failure("--except belongs to a decision for the whole organisation: give --everywhere, too")
    with asked(collector, key_file, ca, folder) as asker:
        done = asker.send("POST", "/decisions", {"findings": findings, "decision": said})["standings"]
    if as_json:
        emit_json(done)
        return
    for finding, standing in sorted(done.items()):
        say(
            f"{finding}  {standing['state']}"
            + (f", {standing['assignee']}'s to decide" if standing["assignee"] else "")
        )
