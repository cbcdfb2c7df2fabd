"""Which reports there are."""

from __future__ import annotations

import typer

from aimscope_cli.asking import Authority, Collector, Folder, KeyFile, asked
from aimscope_cli.collecting import Json
from aimscope_cli.output import emit_json, say

app = typer.Typer(add_completion=False)
_TAKES = {"period": "--from and --to", "as_of": "--as-of", "unit": "--unit"}


@app.command("list")
def list_reports(
    collector: Collector = None,
    key_file: KeyFile = None,
    ca: Authority = None,
    folder: Folder = None,
    as_json: Json = False,
) -> None:
    """Which reports a collector makes, and what each can be told."""
    with asked(collector, key_file, ca, folder) as asker:
        found = asker.get("/reports")["items"]
    if as_json:
        emit_json(found)
        return
    for one in found:
        say(f"{one['name']}  {one['title']}  ({', '.join(one['forms'])})", "bold")
        say(f"  {one['description']}")
        taken = [words for name, words in _TAKES.items() if name in one["takes"]]
        if taken:
            say(f"  takes {', '.join(taken)}")
        for option in one["options"]:
            choices = f" ({', '.join(option['choices'])})" if option["choices"] else ""
            say(f"  --option {option['name']}=…  {option['description']}{choices}")
