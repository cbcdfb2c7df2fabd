"""How the programs that start other programs read their own arguments: facts for ``launch.py``."""

from __future__ import annotations

import re
import shlex
from typing import Final

from aimscope_agent.redact import sensitive

ASSIGNMENT: Final = re.compile(r"[A-Za-z_]\w*\+?=(?!=)")
"""``NAME=value``, but not the ``name==1`` of a requirement."""
NPM_NAME: Final = re.compile(r"(?:@[a-z0-9~-][\w.~-]*/)?[A-Za-z0-9~-][\w.~-]{0,213}")
BRIDGE: Final = re.compile(r"(?:^|[/@-])(?:mcp-(?:remote|proxy|bridge|sse|stdio|http)|supergateway)")


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


SHELLS: Final = _set("sh bash zsh dash ash ksh mksh fish csh tcsh cmd powershell pwsh")
SHELL_PREFIXES: Final = _set("exec command builtin & . call start { ( ! then do else")
PREPARATIONS: Final = _set(
    "cd export source set unset ulimit umask echo trap mkdir sleep true false test [ [[ eval pushd popd alias shopt "
    "printf setlocal title chcp if then fi rem"
)

WRAPPERS: Final[dict[str, frozenset[str]]] = {
    "env": _set("-u --unset -C --chdir -S --split-string -P"),
    "sudo": _set("-u --user -g --group -h --host -p --prompt -C -r -t -T -U -D -R --chdir --preserve-env"),
    "doas": _set("-u -C"),
    "nohup": frozenset(),
    "busybox": frozenset(),
    "nice": _set("-n --adjustment"),
    "ionice": _set("-c --class -n --classdata -p"),
    "chrt": frozenset(),
    "taskset": frozenset(),
    "setsid": frozenset(),
    "stdbuf": _set("-i -o -e --input --output --error"),
    "time": _set("-f -o --format --output"),
    "timeout": _set("-k --kill-after -s --signal"),
    "caffeinate": _set("-t -w"),
    "tini": _set("-p -e"),
    "dumb-init": _set("-r --rewrite"),
    "catchsegv": frozenset(),
    "xvfb-run": _set("-n -s -e -f -p -w --server-num --server-args --error-file --auth-file"),
    "dbus-run-session": _set("--config-file --dbus-daemon"),
    "cross-env": frozenset(),
    "cross-env-shell": frozenset(),
    "wsl": _set("-d --distribution -u --user --cd --shell-type"),
    "systemd-run": _set("-p --property -u --unit --slice --description -E --setenv --uid --gid -M -H"),
    "systemd-inhibit": _set("--what --who --why --mode"),
    "winpty": frozenset(),
    "proxychains4": _set("-f"),
    "arch": _set("-e -d"),
    "flatpak-spawn": _set("--directory --env --forward-fd"),
    "watchexec": _set("-e -w -i --exts --watch --ignore"),
    "entr": frozenset(),
}
"""Programs that run the command that follows, with those of their options that take a value."""

WRAPPER_OPERANDS: Final = {"timeout": 1, "chrt": 1, "taskset": 1}
"""Words of their own before the command."""

_CONDA = _set("-n --name -p --prefix --cwd")
RUNNERS: Final[dict[str, frozenset[str]]] = {
    **dict.fromkeys(("conda", "mamba", "micromamba"), _CONDA),
    **dict.fromkeys(("poetry", "pdm", "hatch", "rye", "pipenv"), _set("-C --directory -P --project -p -e --env")),
    "pixi": _set("-e --environment --manifest-path"),
    "mise": _set("-C --cd -E --env -j --jobs"),
    "asdf": frozenset(),
    "volta": _set("--node --npm --yarn --pnpm --env"),
    "fnm": _set("--using"),
    "bundle": frozenset(),
    "op": _set("--env-file --account"),
    "doppler": _set("-p --project -c --config -t --token"),
    "infisical": _set("--env --projectId --path --token --domain"),
    "dotenv": _set("-f --file"),
    "dotenvx": _set("-f --env-file -fk --env"),
}
"""Programs of the form ``tool run|exec [options] command``."""

VALUED: Final[dict[str, frozenset[str]]] = {
    "sh": _set("-o -O +o +O --rcfile --init-file"),
    "python": _set("-W -X -Q --check-hash-based-pycs"),
    "node": _set(
        "-r --require --import --loader --experimental-loader -e --eval -p --print -pe -C --conditions --env-file "
        "--env-file-if-exists --input-type --title --icu-data-dir --inspect-port --openssl-config --tsconfig "
        "--preload --cwd --config -c --watch-path --diagnostic-dir --dns-result-order --redirect-warnings"
    ),
    "ruby": _set("-e -r -I -C -E -W"),
    "perl": _set("-e -E -I -M -m"),
    "php": _set("-r -d -c -z -S -t"),
    "deno": _set("-c --config --import-map --lock --location --seed --env-file --cert --port --host -L --log-level"),
    "java": _set(
        "-cp -classpath --class-path -p --module-path --add-modules --add-opens --add-exports --add-reads "
        "--upgrade-module-path --limit-modules --enable-native-access -jar -m --module"
    ),
    "npx": _set(
        "-p --package -c --call -w --workspace --prefix --cache --registry --userconfig --node-options --shell "
        "-C --dir --filter -F --cwd --loglevel --source --configfile --add-source"
    ),
    "uv": _set(
        "--from --spec --with --with-editable --with-requirements -w -p --python --extra --no-extra --group --no-group "
        "--only-group --env-file --index --default-index -i --index-url --extra-index-url -f --find-links --directory "
        "--project --package --color --config-file --cache-dir --refresh-package -P --upgrade-package --resolution "
        "--reinstall-package --no-build-package --no-binary-package --prerelease --exclude-newer --link-mode -C "
        "--config-setting --index-strategy --keyring-provider --allow-insecure-host --python-platform -c --constraints "
        "--overrides --build-constraints -b --pip-args --fork-strategy --no-build-isolation-package --preinstall"
    ),
    "go": _set("-exec -ldflags -gcflags -asmflags -tags -mod -modfile -overlay -p -C -toolexec"),
    "docker": _set("-H --host -c --context --config -l --log-level --tlscacert --tlscert --tlskey --connection --url"),
}
"""Options that take the next word as their value, by program. Options not named here are taken to have none."""

CODE: Final = {"node": _set("-e --eval -p --print -pe"), "ruby": _set("-e"), "perl": _set("-e -E"), "php": _set("-r")}
"""Options that hold the program itself."""
INTERPRETERS: Final = _set("node nodejs bun deno ruby perl php java javaw")
NODE_LAUNCHERS: Final = {
    "npx-cli.js": "npx",
    "npm-cli.js": "npm",
    "pnpm.cjs": "pnpm",
    "pnpx.cjs": "pnpx",
    "yarn.js": "yarn",
}


class AllButThese(frozenset[str]):
    """Every option takes a value but those named: for programs with many options."""

    def __contains__(self, flag: object) -> bool:
        return not super().__contains__(flag)


DOCKER_RUN: Final = AllButThese(
    _set(
        "-d --detach -i --interactive -t --tty --rm --privileged --init -P --publish-all --read-only --no-healthcheck "
        "--oom-kill-disable --sig-proxy -q --quiet --disable-content-trust --help --use-api-socket --replace --rmi "
        "--tls-verify --no-hosts --no-hostname --read-only-tmpfs --env-host --http-proxy --unsetenv-all --passwd"
    )
)


def parse(words: list[str], valued: frozenset[str]) -> tuple[list[tuple[str, str]], list[str]]:
    """Options with their values, and everything from the first word that is neither."""
    given: list[tuple[str, str]] = []
    index = 0
    while index < len(words):
        word = words[index]
        following = words[index + 1] if index + 1 < len(words) else ""
        if word == "--":
            return given, words[index + 1 :]
        if not word.startswith(("-", "+")) or word in ("-", "+"):
            if ASSIGNMENT.match(word):
                index += 1  # `env A=b command`; a name with "=" is never a program
                continue
            return given, words[index:]
        flag, equals, value = word.partition("=")
        if equals:
            given.append((flag, value))
        elif word in valued and not _cluster(word, valued):
            given.append((word, following))
            index += 1
        elif not word.startswith("--") and len(word) > 2 and word[1].isalpha():
            index += _short(word, following, valued, given)
        else:
            given.append((word, ""))
            if sensitive(word) and not following.startswith("-"):
                index += 1
        index += 1
    return given, []


def _cluster(word: str, valued: frozenset[str]) -> bool:
    """Whether ``-it`` is short options in one word, for programs of which not every option is known."""
    return isinstance(valued, AllButThese) and not word.startswith("--") and len(word) > 2


def _short(word: str, following: str, valued: frozenset[str], given: list[tuple[str, str]]) -> int:
    """Short options in one word, the last perhaps with its value attached. How many further words it took."""
    for at, letter in enumerate(word[1:], 1):
        flag = "-" + letter
        if flag in valued:
            attached = word[at + 1 :]
            given.append((flag, attached or following))
            return 0 if attached else 1
        given.append((flag, ""))
    return 0


def split_commands(text: str, windows: bool = False) -> list[list[str]]:
    """A shell's text as commands of words; quoting that does not close is read as plain words."""
    try:
        lexer = shlex.shlex(text, posix=True, punctuation_chars=True)
        lexer.escape = "" if windows else lexer.escape
        lexer.whitespace_split = True
        lexer.commenters = ""
        words = list(lexer)
    except ValueError:
        words = text.split()
    commands: list[list[str]] = [[]]
    redirected = False
    for word in words:
        if word and set(word) <= set(";&|()"):
            commands.append([])
            redirected = False
        elif word and set(word) <= set("<>&"):
            redirected = True
        elif not redirected:
            commands[-1].append(word)
    return [command for command in commands if command] or [[]]


def npm_package(spec: str) -> str:
    """``@x/y@latest`` → ``npm:@x/y``; empty for what comes from elsewhere: a URL, a folder, a git host."""
    at = spec.find("@", 1)
    name = (spec if at < 0 else spec[:at]).lower()
    return f"npm:{name}" if NPM_NAME.fullmatch(name) and not ASSIGNMENT.match(spec) else ""


def pypi_package(spec: str) -> str:
    """``Name[extra]>=1``, ``name@1`` → ``pypi:name``, normalised; empty for a URL or a folder."""
    match = re.match(r"\s*([A-Za-z0-9](?:[\w.-]*[A-Za-z0-9])?)\s*(?:\[[^\]]*\])?\s*(?:$|[@=<>!~;,])", spec)
    if match is None or ASSIGNMENT.match(spec):
        return ""
    return "pypi:" + re.sub(r"[-_.]+", "-", match[1]).lower()


def image(reference: str) -> str:
    """A container image without default registry, tag and digest; empty if it is none."""
    name = reference.removeprefix("docker://").partition("@")[0]
    head, slash, last = name.rpartition("/")
    name = head + slash + last.partition(":")[0]
    for registry in ("docker.io/", "index.docker.io/", "registry-1.docker.io/"):
        name = name.removeprefix(registry)
    name = name.removeprefix("library/")
    return name if re.fullmatch(r"[a-z0-9][\w.:-]*(?:/[\w.-]+)*", name) else ""
