"""`aimscope agent show-sent`: exactly what left this machine."""

from __future__ import annotations

import typer

from aimscope_cli.agents import Json

app = typer.Typer(add_completion=False)


@app.command("show-sent")
def show_sent(as_json: Json = False) -> None:
    """Print every request this agent has made to its collector, oldest first, exactly as it was sent.

    The last 8 to 16 MB are kept. Secrets are not: the token of an enrolment is shown as `…`, and the credential that
    requests carry is in no body. With --json, one JSON document a line.
    """
    import msgspec

    from aimscope_agent.ledger.sent import SentLog
    from aimscope_cli.agents import folder, moment
    from aimscope_cli.output import Failure, emit_json, emit_text, hint, say

    where = folder()
    some = False
    try:
        for each in SentLog(where.sent).entries():
            some = True
            if as_json:
                emit_json(each)
            else:
                say(f"{moment(each.at)}  POST {each.route}", "bold")
                emit_text(msgspec.json.format(bytes(each.body), indent=2).decode())
    except OSError as error:
        raise Failure(f"{error.filename}: {error.strerror}") from None
    if not some:
        hint("Nothing has left this machine.")
