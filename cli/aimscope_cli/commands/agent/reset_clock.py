"""`aimscope agent reset-clock`: forget a moment that never was."""

from __future__ import annotations

import typer

app = typer.Typer(add_completion=False)


@app.command("reset-clock")
def reset_clock() -> None:
    """Forget the latest moment this machine's clock ever showed, after a clock that ran ahead was put right.

    Signed feeds whose time has passed are refused, and setting a clock back does not bring them back to life. So a
    clock that once ran ahead blocks new ones: this says that it was wrong. See that the clock is right before.
    """
    from aimscope_agent.service.folder import FolderError
    from aimscope_agent.trust import Trust, TrustError
    from aimscope_cli.agents import alone, folder, moment, now
    from aimscope_cli.output import Failure, say

    where = folder()
    with alone(where):
        try:
            trust = Trust(where.trust)
            before = trust.clock
            if before <= now():
                say("This machine has seen no moment that has not come yet: nothing is changed.")
                return
            trust.reset_clock(now())
        except (TrustError, FolderError) as error:
            raise Failure(str(error)) from None
    say(f"{moment(before)} is forgotten: the latest moment is {moment(trust.clock)} now.")
