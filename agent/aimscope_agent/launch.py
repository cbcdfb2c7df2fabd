"""What a command line really starts: interpreters and launchers resolved to the tool they run.

Pure: takes the arguments, touches nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec


class Launch(msgspec.Struct, frozen=True, omit_defaults=True):
    """``process`` is the base name of what runs, ``package`` the typed package (``npm:…``, ``pypi:…``, ``jar:…``)
    where one can be told, ``script`` the script's path, ``image`` a container image, ``host`` the host of a URL
    handed to a bridge such as ``mcp-remote``; ``command`` the command line with anything private taken out."""

    process: str = ""
    package: str = ""
    script: str = ""
    image: str = ""
    host: str = ""
    command: str = ""


def resolve(argv: Sequence[str], exe: str = "") -> Launch:
    """What ``argv`` starts.

    ``node …/node_modules/@anthropic-ai/claude-code/cli.js`` → ``npm:@anthropic-ai/claude-code``;
    ``python -m vllm.entrypoints.api_server`` → ``pymod:vllm``; ``uvx mcp-server-fetch@1`` → ``pypi:mcp-server-fetch``;
    ``npx -y @x/y@latest`` → ``npm:@x/y``; ``java -jar a/tool-1.2.jar`` → ``jar:tool``;
    ``docker run -i --rm -e T mcp/github`` → image ``mcp/github``.
    """
    raise NotImplementedError
