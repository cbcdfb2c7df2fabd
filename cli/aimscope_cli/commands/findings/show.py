"""One finding of a fleet, with what is behind it."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from aimscope_cli.asking import Authority, Collector, Folder, KeyFile, asked
from aimscope_cli.collecting import Json, moment
from aimscope_cli.digest import number
from aimscope_cli.output import emit_json, say

app = typer.Typer(add_completion=False)
_MOST = 20


@app.command()
def show(
    finding: Annotated[str, typer.Argument(help="Id of a finding, as `list` shows it.")],
    collector: Collector = None,
    key_file: KeyFile = None,
    ca: Authority = None,
    folder: Folder = None,
    draft: Annotated[bool, typer.Option("--draft", help="Only the inventory row drafted from it, as YAML.")] = False,
    as_json: Json = False,
) -> None:
    """One finding: why it is judged so, where it stands, what was seen and which test held, what was decided."""
    from urllib.parse import quote

    with asked(collector, key_file, ca, folder) as asker:
        found = asker.get(f"/findings/{quote(finding, safe='')}")
    if draft:
        for line in found["draft_yaml"].splitlines():
            say(line)
    elif as_json:
        emit_json(found)
    else:
        _text(found)


def _text(found: dict[str, Any]) -> None:
    one, standing = found["finding"], found["standing"]
    say(one["name"] + (f": {one['condition']}" if one["condition"] else ""), "bold")
    say(f"  {one['verdict']} in {one['unit'] or 'no unit'}; risk {one['risk']} ({one['score']} of 25)")
    for reason in one["reasons"]:
        say(f"  {reason}")
    count = f"fewer than {one['fewer_than']} devices" if one["assets"] is None else number(one["assets"], "device")
    say(f"  on {count or 'no device'}, from {moment(one['first'])} to {moment(one['last'])} UTC")
    say(f"State: {standing['state']}" + (f", by {standing['by']}" if standing["by"] else ""))
    if standing["reason"]:
        say(f"  {standing['reason']}")
    if found["action_due"]:
        say("  A corrective action is due.", "yellow")
    for factor in (found["risk"] or {}).get("factors", ()):
        say(f"  {factor['side']} {factor['weight']:+g}: {factor['sentence']}")
    for piece in (found["evidence"] or ())[:_MOST]:
        said = " ".join(f"{name}={value}" for name, value in piece["fields"].items())
        held = "; ".join(f"{test['field']} {test['operator']} {test['value']}" for test in piece["held"])
        say(f"Evidence {piece['kind']}: {said}" + (f"  [{held}]" if held else ""))
    for decision in found["history"] or ():
        say(f"{moment(decision['at'])}  {decision['action']} by {decision['by']}: {decision['reason']}")
    for comment in found["comments"] or ():
        say(f"{moment(comment['at'])}  {comment['by']}: {comment['text']}")
