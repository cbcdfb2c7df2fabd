"""A person's small machine for the flow of commands: a home with one project, packages that come and go."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.end_to_end.environments import Recipe, installed

WHEELS = Recipe("wheels", wheels=("openai", "anthropic"))


class Person:
    """A home with a project and its virtual environment, into which real packages are installed."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.project = home / "work" / "bot"
        self._venv = self.project / ".venv"
        self._wheels = installed(WHEELS).home / "wheels"
        self.project.mkdir(parents=True)
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", self._venv], check=True)

    def install(self, package: str) -> None:
        """From wheels that were downloaded once, without what they depend on."""
        self._pip("install", "--no-index", "--no-deps", "--find-links", str(self._wheels), package)

    def uninstall(self, package: str) -> None:
        self._pip("uninstall", "--yes", package)

    def _pip(self, *arguments: str) -> None:
        base = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "--python", str(self._venv)]
        done = subprocess.run([*base, *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    def write(self, path: str, content: object) -> Path:
        """A file in the home: text as it is, anything else as JSON."""
        file = self.home / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content if isinstance(content, str) else json.dumps(content))
        return file
