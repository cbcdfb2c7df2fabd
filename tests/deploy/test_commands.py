"""The check of command lines itself."""

from __future__ import annotations

import pytest

from tests.deploy.commands import refuse_unknown


def test_a_command_that_exists() -> None:
    refuse_unknown(["scan", "logs", "--json", "x.log"])


@pytest.mark.parametrize("words", [["scam"], ["scan", "logs", "--jsom"], [], ["inventory", "nothing"]])
def test_one_that_does_not(words: list[str]) -> None:
    with pytest.raises(AssertionError):
        refuse_unknown(words)
