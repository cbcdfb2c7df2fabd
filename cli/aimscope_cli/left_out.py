"""Files that were named and cannot be read: the others are, and the report says so. For `scan pcap` and `import`."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from aimscope_agent.host.gaps import Gaps
from aimscope_agent.host.tree import clean
from aimscope_cli.output import Failure
from aimscope_signatures.model import Coverage, Gap, Status

_NAME: Final = "files"


class LeftOut:
    """Gathers the failures of files. Where nothing else can be read, the first is the answer."""

    def __init__(self) -> None:
        self._failures: list[Failure] = []
        self._gaps = Gaps()
        self._files: dict[str, None] = {}

    @property
    def files(self) -> tuple[str, ...]:
        """What was named and not read."""
        return tuple(self._files)

    def note(self, shown: str, failure: Failure) -> None:
        """Add one; ``shown`` is how the file is called."""
        reason = str(failure).removeprefix(shown).lstrip(": ")
        remedy = failure.details[0] if failure.details else ""
        self._gaps.note(Gap(shown, Status.FAILED, reason, remedy=remedy))
        self._failures.append(failure)
        self._files[shown] = None

    def check(self, named: int) -> None:
        """Raises the first ``Failure`` where all of so many files that were named have failed."""
        if self._failures and len(self._failures) >= named:
            raise self._failures[0]

    def coverage(self) -> tuple[Coverage, ...]:
        """One for all of them, if there are any."""
        if not self._files:
            return ()
        return (Coverage(_NAME, Status.FAILED, self._gaps.told(), {"not read": len(self._files)}),)


def check_there(path: str) -> None:
    """Raises ``Failure`` for a name that leads to nothing: it is mistyped, and said before anything is read."""
    try:
        there = path == "-" or Path(path).exists()
    except (OSError, ValueError):  # why it cannot be looked at is said when it is opened
        return
    if not there:
        raise Failure(f"{clean(path)} cannot be read: no such file or directory")
