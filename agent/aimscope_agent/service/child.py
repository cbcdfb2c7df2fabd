"""A child of the agent, `python -m aimscope_agent.service.child`: told on standard input, it does one duty."""

from __future__ import annotations

import gc
import importlib
import os
import signal
import sys
from typing import Final

from aimscope_agent.intake.packets import CaptureError
from aimscope_agent.intake.syslog import ListenError
from aimscope_agent.ledger import LedgerError
from aimscope_agent.service import frames
from aimscope_agent.service.desk import Desk
from aimscope_agent.service.frames import Broken, Task
from aimscope_agent.watchdog import bound_memory, lower_priority

DUTIES: Final = ("endpoint", "network", "logs", "traffic")


def main() -> int:
    """Do what standard input says. Exit status: 0 done, 1 not, 3 the agent is gone."""
    gc.set_threshold(50_000, 20, 100)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the agent, which says stop
    incoming, outgoing = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no message
    task = frames.read_task(incoming)
    if not isinstance(task, Task) or task.duty not in DUTIES:
        return 1
    if task.duty != "traffic":  # packets do not wait
        lower_priority()
    bound_memory(task.config.limits.memory_mb)
    desk = Desk(incoming, outgoing)
    desk.listen()
    broken = _done(task, desk)
    if broken is not None:
        frames.write(outgoing, broken)
    outgoing.flush()
    # threads of libraries are not waited for
    os._exit(0 if broken is None else 1)


def _done(task: Task, desk: Desk) -> Broken | None:
    try:
        importlib.import_module(f"aimscope_agent.service.duties.{task.duty}").duty(task, desk)
    except BrokenPipeError:
        os._exit(3)
    except (LedgerError, CaptureError, ListenError, ValueError) as error:
        return Broken(str(error)[:500])
    except OSError as error:
        return Broken(f"{error.strerror or type(error).__name__}")
    except Exception as error:  # noqa: BLE001 - only the type is told: the text may hold what was being read
        return Broken(f"a defect in aimscope: {type(error).__name__}")
    return None


if __name__ == "__main__":
    sys.exit(main())
