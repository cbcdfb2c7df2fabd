"""What is observed of traffic: on the wire, in the logs of resolvers, proxies and clouds, and by asking servers.

A gateway sees other people's machines: the observation's asset is the client (its device name where a log gives it,
else its address), its subject the user the log names. Volumes that are not known are left out, never zero.
"""

from __future__ import annotations

from typing import Final

from aimscope_signatures.kinds.endpoint import OWNER, PROCESS, RESOLVED
from aimscope_signatures.kinds.model import Field, Kind, declare

_CLIENT = Field("ip", "Address of the client.", personal=True, context=True)
_DEVICE = Field("text", "Device as the log names it.", personal=True, context=True)
_SERVER = Field("ip", "Address of the server.", context=True)
_BLOCKED = Field("flag", "Refused by a filter: an attempt. Absent where it was let through or nobody says.")
_OUT = Field("integer", "Bytes the client sent, where known.", context=True)
_IN = Field("integer", "Bytes the client received, where known.", context=True)

TRAFFIC: Final[tuple[Kind, ...]] = (
    declare(
        "dns.query",
        "A name somebody asked for.",
        evidence="name blocked",
        presence="used",
        ceiling="high",
        counts="event",
        name=Field("hostname", "Name asked for, or that the answer led to by CNAME."),
        asked=Field("hostname", "Name asked for, where `name` is what its alias led to.", context=True),
        type=Field("text", "Type of record, e.g. `A`, `HTTPS`.", context=True),
        client=_CLIENT,
        device=_DEVICE,
        process=Field("process_name", "Program that asked, where an endpoint's log tells.", context=True),
        blocked=_BLOCKED,
    ),
    declare(
        "tls.client_hello",
        "The start of an encrypted connection (TLS or QUIC).",
        evidence="server_name blocked",
        presence="used",
        counts="event",
        server_name=Field("hostname", "Server name indication."),
        ja4=Field("text", "JA4 fingerprint of the client."),
        transport=Field("text", "`tcp` or `quic`.", context=True),
        client=_CLIENT,
        device=_DEVICE,
        server=_SERVER,
        blocked=_BLOCKED,
        bytes_out=_OUT,
        bytes_in=_IN,
    ),
    declare(
        "http.request",
        "A request that was not encrypted, or that a proxy logged.",
        evidence="host blocked",
        presence="used",
        counts="event",
        host=Field("hostname", "Host asked."),
        path=Field("url_path", "Path, kept only where a signature needs it.", local=True),
        method=Field("text", "Method.", context=True),
        user_agent=Field("user_agent", "Client software as it names itself.", local=True),
        client=_CLIENT,
        device=_DEVICE,
        server=_SERVER,
        blocked=_BLOCKED,
        bytes_out=_OUT,
        bytes_in=_IN,
    ),
    declare(
        "connection",
        "An established connection to a remote server, of a process or of a client in a gateway's log.",
        evidence="process package host blocked",
        presence="used",
        counts="event",
        host=Field("hostname", "Remote name: from the client's own unexpired DNS answer, or as the log states it."),
        ip=Field("ip", "Remote address."),
        port=Field("integer", "Remote port."),
        process=PROCESS,
        package=RESOLVED,
        client=_CLIENT,
        device=_DEVICE,
        app=Field("text", "Application as a firewall classified it.", context=True),
        blocked=_BLOCKED,
        bytes_out=_OUT,
        bytes_in=_IN,
    ),
    declare(
        "cloud.call",
        "A call of an AI service that a cloud's or vendor's audit log records.",
        evidence="host model operation blocked",
        presence="used",
        counts="event",
        host=Field("hostname", "Host of the API, e.g. `bedrock.amazonaws.com`."),
        operation=Field("text", "Operation as the log names it."),
        model=Field("model_id", "Model or deployment asked for."),
        account=Field("text", "Cloud account, project or resource.", context=True),
        client=_CLIENT,
        user_agent=Field("user_agent", "Client software as it names itself.", local=True),
        blocked=_BLOCKED,
        bytes_out=_OUT,
        bytes_in=_IN,
    ),
    declare(
        "http.response",
        "What a server answered to one read-only request of the probe: on this machine, or of a network scan.",
        evidence="port",
        presence="used",
        address=Field("ip", "Address of the server, where it is another machine.", personal=True, context=True),
        port=Field("integer", "Port that answered."),
        path=Field("url_path", "Path that was asked."),
        status=Field("integer", "HTTP status."),
        server=Field("text", "`Server` header."),
        headers=Field("texts", "Header lines, lower-case names: `x-name: value`.", local=True),
        content_type=Field("text", "Media type without parameters."),
        title=Field("text", "HTML title.", local=True),
        body=Field("text", "First 4,096 characters; JSON is written compactly.", local=True),
        version=Field("text", "Version the server states.", context=True),
        models=Field("texts", "Models it serves, where it says so to everybody.", context=True),
        process=OWNER,
    ),
    declare(
        "mcp.handshake",
        "What an MCP server on the network answered to `initialize`.",
        evidence="name port",
        presence="used",
        name=Field("text", "Name the server gives itself."),
        version=Field("text", "Version the server states.", context=True),
        protocol=Field("text", "Protocol version it speaks.", context=True),
        transport=Field("text", "`streamable-http` or `sse`."),
        path=Field("url_path", "Path that answered."),
        port=Field("integer", "Port that answered."),
        address=Field("ip", "Address of the server.", personal=True, context=True),
    ),
    declare(
        "dns.alias",
        "A name of the organisation that is an alias of another name.",
        evidence="name target",
        presence="configured",
        name=Field("hostname", "The organisation's name.", context=True),
        target=Field("hostname", "A name its chain of aliases leads to."),
        address=Field("ip", "Address whose reverse name it is.", personal=True, context=True),
    ),
)
