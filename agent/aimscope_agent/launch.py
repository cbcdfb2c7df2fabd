"""What a command line really starts: interpreters and launchers resolved to the tool they run.

Pure: takes the arguments, touches nothing. A command line is peeled (``env``, ``sudo``, one ``sh -c``, ``uv run``)
until a program is left that is no wrapper, and that program's own arguments are then read.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import urlsplit

import msgspec

from aimscope_agent import launch_options as options
from aimscope_agent.launchers import READERS, Launch, Reader, module_named, program, script_at
from aimscope_agent.redact import masked, redact, sensitive

__all__ = ["Launch", "program", "resolve"]

_MOST_WORDS = 512
_LONGEST_WORD = 8_192
_MOST_PEELED = 12


def resolve(argv: Sequence[str], exe: str = "") -> Launch:
    """What ``argv`` starts; ``exe`` is the path of the executable, where the machine tells it.

    ``node …/node_modules/@anthropic-ai/claude-code/cli.js`` → ``npm:@anthropic-ai/claude-code``;
    ``python -m vllm.entrypoints.api_server`` → ``pymod:vllm``; ``uvx mcp-server-fetch@1`` → ``pypi:mcp-server-fetch``;
    ``npx -y @x/y@latest`` → ``npm:@x/y``; ``java -jar a/tool-1.2.jar`` → ``jar:tool``;
    ``docker run -i --rm -e T mcp/github`` → image ``mcp/github``. A script in a ``bin`` folder is a program of its
    own: ``python …/bin/flask run`` → process ``flask``.
    """
    words = [word[:_LONGEST_WORD] for word in argv[:_MOST_WORDS]]
    exe = exe.removesuffix(" (deleted)")
    if len(words) == 1 and _TITLE.match(words[0]):
        words = words[0].split()  # npm names its process after the command it runs
    if exe and not words:
        words = [exe]
    found = _Peeling(words).result(exe)
    inner = (found.package, found.script, found.image)
    return msgspec.structs.replace(found, command=redact(_split_shell(words), *inner, name=found.process))


_TITLE = re.compile(r"(?:npm|pnpm|yarn) (?:exec|x|dlx) \S")
_VERSION = re.compile(r"v?\d+(?:\.\d+)+[\w.+-]*\Z")


def _name_of(exe: str, argv: Sequence[str]) -> str:
    """Base name of the executable, or the better name that the process goes by.

    An executable in ``…/versions/2.0.14`` says nothing, nor does an interpreter whose process has renamed itself.
    """
    name, called = program(exe), program(argv[0]) if argv else ""
    if called and _VERSION.match(name) and not _VERSION.match(called):
        return called
    return called if called and _is_interpreter(name) and not _is_interpreter(called) else name


def _is_interpreter(name: str) -> bool:
    return _PYTHON.match(name.lower()) is not None or name.lower() in options.INTERPRETERS


class _Peeling:
    """One command line on its way to the program it starts."""

    def __init__(self, words: list[str]) -> None:
        self.words = words
        self.shells = 0

    def result(self, exe: str) -> Launch:
        argv = self.words
        found = Launch()
        for _ in range(_MOST_PEELED):
            inner = self._step()
            if isinstance(inner, Launch):
                found = inner
                break
            if not inner:
                found = Launch(process=program(self.words[0]) if self.words else "")
                break
            self.words = inner
        if exe and not _own_program(found):
            found = msgspec.structs.replace(found, process=_name_of(exe, argv))
        if not found.package and not found.image:
            # A native program that a package ships: …/node_modules/@openai/codex/vendor/…/codex
            package = script_at(exe or (argv or [""])[0]).package
            found = msgspec.structs.replace(found, package=package if package.startswith("npm:") else "")
        return found

    def _step(self) -> Launch | list[str]:
        words = masked(self.words)
        while words and options.ASSIGNMENT.match(words[0]):
            words = words[1:]
        self.words = words
        if not words:
            return Launch()
        name = program(words[0])
        key = name.lower()
        rest = words[1:]
        if _PYTHON.match(key):
            found = _python(rest)
        elif key in options.SHELLS:
            found = self._shell(key, rest)
        elif (reader := _READERS.get(key)) is not None:
            found = reader(rest)
        elif key in options.WRAPPERS:
            found = _wrapper(key, rest)
        elif rest and _looks_like_node(rest[0]):
            found = script_at(rest[0])
        else:
            found = Launch()
        if isinstance(found, Launch):
            bridge = found.package.partition(":")[2] or _base(found.script) or name
            return msgspec.structs.replace(
                found,
                process=found.process or _own_program(found) or name,
                host=_bridged(bridge, rest),
            )
        return found

    def _shell(self, key: str, rest: list[str]) -> Launch | list[str]:
        text, script = _shell_parts(key, rest)
        if not text:
            return script_at(script)
        self.shells += 1
        return _commands(text, key in _WINDOWS_SHELLS) if self.shells == 1 else Launch()


# shells and wrappers


def _shell_parts(key: str, rest: list[str]) -> tuple[list[str], str]:
    """What a shell is told to run (one text, or words), or the script it reads."""
    for index, word in enumerate(rest):
        low = word.lower()
        if key == "cmd":
            if low in ("/c", "/k"):
                return rest[index + 1 :], ""
            if not low.startswith("/"):
                break
        elif key in ("powershell", "pwsh"):
            if low in ("-command", "-c", "/c", "-commandwithargs"):
                return rest[index + 1 :], ""
            if low in ("-file", "-f"):
                return [], (rest[index + 1 :] or [""])[0]
        elif word.startswith("-") and not word.startswith("--") and "c" in word:
            return rest[index + 1 : index + 2], ""
        elif not word.startswith(("-", "+")):
            break
    _, positional = options.parse(rest, options.VALUED["sh"])
    return [], "" if key in _WINDOWS_SHELLS else (positional or [""])[0]


def _commands(text: list[str], windows: bool) -> list[str]:
    """The words of the first command that is no mere preparation."""
    commands = options.split_commands(text[0], windows) if len(text) == 1 else [text]
    for words in commands:
        while words and (words[0] in options.SHELL_PREFIXES or options.ASSIGNMENT.match(words[0])):
            words = words[1:]  # noqa: PLW2901 - peeled from the left
        if words and program(words[0]) not in options.PREPARATIONS:
            return words
    return []


def _split_shell(words: list[str]) -> list[str]:
    """The words with the text given to a shell split into its own, so that each is judged on its own."""
    for index, word in enumerate(words):
        key = program(word).lower()
        if key in options.SHELLS and len(text := _shell_parts(key, words[index + 1 :])[0]) == 1:
            commands = options.split_commands(text[0], key in _WINDOWS_SHELLS)
            return words[: words.index(text[0], index + 1)] + [part for command in commands for part in command]
    return words


def _wrapper(key: str, rest: list[str]) -> list[str]:
    given, positional = options.parse(rest, options.WRAPPERS[key])
    if key == "env":
        for flag, value in given:
            if flag in ("-S", "--split-string"):
                return options.split_commands(value + " " + " ".join(positional))[0]
    skip = options.WRAPPER_OPERANDS.get(key, 0)
    return positional[skip:]


def _subcommand(verbs: Sequence[str], valued: frozenset[str]) -> Reader:
    """A tool that runs another one: ``tool [options] verb [options] [--] command …``."""

    def reader(rest: list[str]) -> list[str] | Launch:
        _, positional = options.parse(rest, valued)
        if not positional or positional[0] not in verbs:
            return Launch()
        _, command = options.parse(positional[1:], valued)
        return command or Launch()

    return reader


# interpreters


def _python(rest: list[str]) -> Launch | list[str]:
    index = 0
    while index < len(rest):
        word = rest[index]
        if not word.startswith("-") or word == "-":
            return script_at(word)
        if word.startswith("--") or word[1] in "WXQpHkKU":
            index += 1 + (word in options.VALUED["python"] or sensitive(word))
            continue
        flags = word[1:]
        if "c" in flags and "m" not in flags.partition("c")[0]:
            return Launch()
        if "m" in flags:
            module = flags.partition("m")[2] or (rest[index + 1 :] or [""])[0]
            after = rest[index + 2 :] if flags.endswith("m") else rest[index + 1 :]
            return module_named(module, after)
        index += 1
    return Launch()


def _own_program(found: Launch) -> str:
    """A script in a ``bin`` folder goes by its own name, unless it is known to be a package's."""
    folder, _, name = found.script.rpartition("/")
    own = name and not found.package and _base(folder).lower() in ("bin", ".bin", "sbin", "scripts")
    return program(name) if own else ""


def _base(path: str) -> str:
    return path.rpartition("/")[2]


def _looks_like_node(word: str) -> bool:
    """A packaged Electron program told to run a script."""
    return "/" in word.replace("\\", "/") and word.endswith((".js", ".cjs", ".mjs", ".asar"))


def _interpreter(language: str) -> Reader:
    valued = options.VALUED[language]

    def reader(rest: list[str]) -> Launch | list[str]:
        given, positional = options.parse(rest, valued)
        if any(flag in options.CODE[language] for flag, _ in given) or not positional:
            return Launch()
        found = script_at(positional[0])
        # npm and its kin are scripts themselves: `node …/npm/bin/npx-cli.js -y tool`.
        launcher = options.NODE_LAUNCHERS.get(_base(found.script))
        return [launcher, *positional[1:]] if launcher else found

    return reader


# bridges


def _bridged(name: str, words: list[str]) -> str:
    """Host of the first URL, if the program is one that connects a local client to a remote server."""
    if not options.BRIDGE.search(name):
        return ""
    for index, word in enumerate(words):
        if index and sensitive(words[index - 1]):
            continue
        if word.startswith(("https://", "http://", "wss://", "ws://")):
            try:
                return (urlsplit(word).hostname or "").rstrip(".")
            except ValueError:
                return ""
    return ""


_WINDOWS_SHELLS = ("cmd", "powershell", "pwsh")
_PYTHON = re.compile(r"(?:python|pypy)[\d.]*[wt]?\Z|ipython[\d.]*\Z|pyw?\Z")

_READERS: dict[str, Reader] = {
    **READERS,
    **dict.fromkeys(("node", "nodejs", "electron", "tsx", "ts-node"), _interpreter("node")),
    **{language: _interpreter(language) for language in ("ruby", "perl", "php")},
    **{name: _subcommand(("run", "exec", "x"), valued) for name, valued in options.RUNNERS.items()},
}
