from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from typer.testing import CliRunner

from aimscope_cli.main import app
from aimscope_cli.output import Failure, complain

HOSTS = Path(__file__).parents[1] / "_data" / "hosts"


class Answer(NamedTuple):
    """What a person gets back."""

    exit_code: int
    stdout: str
    stderr: str


Run = Callable[..., Answer]


@pytest.fixture
def aimscope(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command as a person would, with a state folder of its own."""
    monkeypatch.setenv("AIMSCOPE_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("AIMSCOPE_SERVICES", str(tmp_path / "no-own-services"))
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str | Path, input: str | None = None) -> Answer:  # noqa: A002 - the runner's own word
        result = CliRunner().invoke(app, [str(argument) for argument in arguments], input=input)
        failure = result.exception
        if isinstance(failure, Failure):  # what `run()` around the app does
            with contextlib.redirect_stderr(io.StringIO()) as complaint:
                complain(failure)
            return Answer(failure.status, result.stdout, result.stderr + complaint.getvalue())
        if failure and not isinstance(failure, SystemExit):
            raise failure
        return Answer(result.exit_code, result.stdout, result.stderr)

    return run
