"""TCP connections of clients: their first words, in whatever order they arrive, and how much passed.

State is kept only where it is needed: openings (a number each), connections whose first words are incomplete or whose
bytes are counted, and for a while the fact that a connection has said who it is for. Everything is bounded, the oldest
goes first, and what goes before it was understood is counted.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from aimscope_agent.protocols.dns import Message
from aimscope_agent.protocols.more import MORE
from aimscope_agent.protocols.tcp import ACK, FIN, RST, SYN, Segment, Stream, after, distance, segment
from aimscope_agent.protocols.tls_hello import ClientHello
from aimscope_agent.traffic.flow import DNS_PORT, Flow, Key, ends, is_dns, reverse
from aimscope_agent.traffic.layers import BEGINNINGS, begin, dns_messages, due, lacking
from aimscope_agent.traffic.names import Names, hides
from aimscope_agent.traffic.questions import Questions
from aimscope_agent.traffic.seen import NameKind, Seen
from aimscope_agent.traffic.volume import FARTHEST, FARTHEST_RESET, Count

if TYPE_CHECKING:
    from aimscope_agent.protocols.http2 import Stream as Http2

ROOM: Final = 131_072
"""Bytes held of one connection."""
MOST_BYTES: Final = 24 * 1_048_576
"""Bytes held of all."""
MOST_FLOWS: Final = 24_576
MOST_OPENINGS: Final = 32_768
MOST_DONE: Final = 32_768
MOST_HTTP2: Final = 128
MOST_STRAYS: Final = 512
LARGEST_STRAY: Final = 4_096
QUIET: Final = 60.0
"""Seconds after which a beginning on ports that were in use is another connection."""
_APPLICATION_DATA: Final = 23
_ENDS: Final = FIN | RST


class Connections:
    """Every client's side of every connection. Also the ``Listener`` of what is read there."""

    def __init__(self, names: Names, questions: Questions) -> None:
        self.evicted = 0
        """Connections given up before their first words were complete, or while their bytes were counted."""
        self.flows = 0
        self.at = 0.0
        self._names = names
        self._questions = questions
        self._answers = names.resolved.answers
        self._openings: OrderedDict[Key, int] = OrderedDict()
        self._flows: OrderedDict[Key, Flow] = OrderedDict()
        self._pending: OrderedDict[Key, Flow] = OrderedDict()
        self._done: OrderedDict[Key, float] = OrderedDict()
        self._strays: OrderedDict[Key, tuple[int, bytes]] = OrderedDict()
        self._http2: OrderedDict[Key, Flow] = OrderedDict()
        self._held = 0

    def datagram(self, key: Key, data: bytes, start: int, end: int, cut: bool, at: float) -> None:
        """A packet that carries TCP between ``key``. ``cut``: the capture holds less than it had."""
        found = segment(data, start, end)
        if found is None:
            return
        self.at = at
        sequence, acknowledged, flags, start, _ = found
        if flags & SYN:
            self._opened(key, sequence, flags)
        if start < end:
            self._payload(key, found, data, cut)
        if flags & _ENDS:
            self._ended(key, after(sequence, end - start), acknowledged, flags)

    def finish(self) -> None:
        """Nothing more comes: what is there is read for the last time, what was counted is told."""
        for flow in tuple(self._flows.values()):
            self._close(flow)
        self._openings.clear()
        self._done.clear()
        self._strays.clear()

    # -- beginning and end

    def _opened(self, key: Key, sequence: int, flags: int) -> None:
        if flags & ACK:
            flow = self._flows.get(reverse(key)) if self._flows else None
            if flow is not None:
                flow.established = True
                flow.into = flow.into or Count(sequence)
            if key[-4:-2] != DNS_PORT:  # only DNS is read in both directions
                return
        flow = self._flows.get(key)
        if flow is not None:
            if flow.base == sequence:
                return
            self._close(flow)
        if self._openings.get(key) == sequence:
            return
        self._done.pop(key, None)
        self._strays.pop(key, None)
        self.flows += not flags & ACK
        if not is_dns(key) and (host := self._led(key)):
            flow = self._start(key, sequence)
            flow.host, flow.whole = host, True
            return
        self._openings[key] = sequence
        if len(self._openings) > MOST_OPENINGS:
            self._openings.popitem(last=False)

    def _ended(self, key: Key, last: int, acknowledged: int, flags: int) -> None:
        if self._openings.pop(key, None) is not None or not self._flows:
            return
        reset = bool(flags & RST)
        flow = self._flows.get(key)
        if flow is not None:
            flow.out.end(last, reset=reset)
            other = flow.into
        else:
            flow = self._flows.get(reverse(key))
            if flow is None:
                return
            other = flow.out
            flow.established = flow.established or not reset
            if flow.into is not None and (last or not reset):  # who never took it resets from zero
                flow.into.end(last, reset=reset)
        if flags & ACK and other is not None:
            other.advance(acknowledged, FARTHEST_RESET if reset else FARTHEST)
        if reset or (flow.out.closed and flow.into is not None and flow.into.closed):
            self._close(flow, ended=True)

    def _led(self, key: Key) -> str:
        """The name worth an observation that the client's DNS answer gives this server."""
        if not self._answers:
            return ""
        return self._names.led_to(*ends(key), self.at)

    # -- payload

    def _payload(self, key: Key, found: Segment, data: bytes, cut: bool) -> None:
        sequence, acknowledged, flags, start, end = found
        flow = self._flows.get(key)
        if flow is None:
            flow = self._new(key, found, data)
            if flow is None:
                return
        flow.established = True
        if flags & ACK:
            if flow.into is None:
                flow.into = Count(acknowledged)
            else:
                flow.into.advance(acknowledged)
        flow.out.advance(after(sequence, end - start))
        if flow.layer is not None:
            if cut and not flow.named:
                self._names.blind.note("cut", flow.client)
                flow.counted = True
            self._take(flow, sequence, data, start, end)
            self._settle(flow)

    def _new(self, key: Key, found: Segment, data: bytes) -> Flow | None:
        """A connection for the first payload that is seen of it, if it may be understood."""
        done = self._done.get(key)
        if done is not None:
            if self.at - done < QUIET:
                return None
            del self._done[key]
        expected = self._openings.pop(key, None)
        first, ports = data[found.start], key[-4:]
        dns = is_dns(key)
        if expected is not None and distance(found.sequence, expected) > 0:
            flow = self._start(key, expected, dns=dns)  # its first words have been overtaken
        elif first in BEGINNINGS or dns:
            flow = self._start(key, found.sequence, dns=dns)
        else:
            # the middle of something; who is the client can only be guessed
            host = self._led(key) if ports[2:] < ports[:2] else ""
            if not host:
                if first != _APPLICATION_DATA and key not in self._strays:
                    self._keep_stray(key, found, data)
                return None
            flow = self._start(key, found.sequence)
            flow.host, flow.loose = host, True
        flow.whole = expected is not None
        return flow

    def _keep_stray(self, key: Key, found: Segment, data: bytes) -> None:
        """Remember it for a moment: its beginning may have been overtaken."""
        if found.end - found.start <= LARGEST_STRAY:
            self._strays[key] = found.sequence, data[found.start : found.end]
            if len(self._strays) > MOST_STRAYS:
                self._strays.popitem(last=False)

    def _take(self, flow: Flow, sequence: int, data: bytes, start: int, end: int) -> None:
        """One more segment of a connection that is still being read."""
        if flow.stream is None:
            if flow.loose:
                flow.due = sequence
            early = distance(sequence, flow.due)
            if early <= 0:
                start -= early  # what came before is a repetition, or of a body
                if start < end:
                    rest = self._read(flow, data, start, end)
                    if rest < end:
                        self._hold(flow, flow.due, data[rest:end])
                return
        self._hold(flow, sequence, data[start:end])

    def _hold(self, flow: Flow, sequence: int, data: bytes) -> None:
        """Keep what cannot be read yet, and read what has come together."""
        stream = flow.stream
        if stream is None:
            stream = flow.stream = Stream(flow.due)
            self._pending[flow.key] = flow
            stray = self._strays.pop(flow.key, None)
            if stray is not None:
                stream.add(*stray, ROOM)
        taken = stream.add(sequence, data, ROOM)
        if stream.ready and due(flow, stream.ready):
            self._reread(flow, stream)
        if not taken and flow.stream is not None:
            self._pass_gap(flow, stream)
        self._account(flow)
        while self._held > MOST_BYTES:
            self._evict(next(iter(self._pending.values())))

    def _reread(self, flow: Flow, stream: Stream) -> None:
        """Read what has come together, and what that lets come next."""
        while stream.ready and flow.layer is not None:
            ready = bytes(stream.ready)
            rest = self._read(flow, ready, 0, len(ready))
            stream.consume(rest)
            if not rest:
                flow.tries += 1
                flow.tried = len(ready)
                return
            flow.tries = flow.tried = 0
        if flow.layer is None or flow.loose or not stream.held:
            self._release(flow)

    def _read(self, flow: Flow, data: bytes, start: int, end: int) -> int:
        """Understand as much as possible; returns where that ends, which may be beyond ``end``."""
        while start < end:
            if flow.layer is None:
                return end
            stop = flow.layer(flow, data, start, end, self)
            if stop is MORE:
                flow.loose = False
                return start
            if stop is None:
                flow.loose = flow.loose or not flow.named
                if not flow.loose:
                    flow.layer = None
                return end
            flow.loose = False
            flow.due = after(flow.due, stop - start)
            start = stop
        return start

    def _pass_gap(self, flow: Flow, stream: Stream) -> bool:
        """Go on behind what was never captured. ``False`` where nothing is held there."""
        flow.unfinished = flow.unfinished or lacking(flow, stream)
        if not stream.skip_gap():
            self._release(flow)
            flow.layer = None
            return False
        flow.due = stream.base
        flow.tries = flow.tried = 0
        if flow.layer is not begin and flow.layer is not dns_messages:
            flow.layer = begin if flow.http2 is None else None
        flow.loose = True
        self._reread(flow, stream)
        return True

    # -- what is read

    def hello(self, flow: Flow, hello: ClientHello) -> None:
        """A TLS hello."""
        seen = self._names.hello(hello, flow.client, flow.server, flow.port, self.at)
        if not hides(hello):
            self._name(flow, seen)
        elif not flow.named and not flow.host:
            flow.host = self._names.led_to(flow.client, flow.server, self.at)

    def name(
        self,
        flow: Flow,
        kind: NameKind,
        name: str,
        method: str = "",
        path: str = "",
        user_agent: str = "",
        port: int = 0,
    ) -> None:
        """A name asked for in clear."""
        if name:
            seen = self._names.request(kind, name, flow.client, flow.server, self.at, method, path, user_agent, port)
            self._name(flow, seen)

    def message(self, flow: Flow, message: Message) -> None:
        """A DNS message, of either side."""
        key = flow.key
        self._questions.message(message, flow.client, flow.server, key[-4] << 8 | key[-3], flow.port, self.at)

    def unfinished(self, flow: Flow) -> None:
        """Something that would name somebody is too long to wait for."""
        flow.unfinished = True

    def http2(self, flow: Flow) -> Http2 | None:
        """State for a connection of HTTP/2, where that can be read. The oldest one makes room."""
        from aimscope_agent.protocols import http2  # noqa: PLC0415 - takes long to load, and is rare

        if not http2.AVAILABLE:
            self._names.blind.note("unread_http2", flow.client)
            return None
        self._http2[flow.key] = flow
        if len(self._http2) > MOST_HTTP2:
            _, oldest = self._http2.popitem(last=False)
            oldest.http2 = oldest.layer = None
            self.evicted += 1
        return http2.Stream()

    def _name(self, flow: Flow, seen: Seen | None) -> None:
        """The connection says who it, or what follows, is for: what came before belongs to the name before."""
        sent = flow.out.at(flow.due)
        received = flow.into.total if flow.into is not None else None
        if flow.open is not None:
            self._names.observe(flow.open, *flow.volumes(sent, received or None, known=True), flow.source)
        if not flow.named and not flow.whole:
            self.flows += 1
        flow.named = True
        flow.open, flow.seen_out, flow.seen_in, flow.source = seen, sent, received or 0, self._names.source

    # -- tables

    def _start(self, key: Key, expected: int, *, dns: bool = False) -> Flow:
        flow = self._flows[key] = Flow(key, expected)
        flow.layer = dns_messages if dns else begin
        flow.source = self._names.source
        if len(self._flows) > MOST_FLOWS:
            self._evict(next(iter(self._flows.values())))
        return flow

    def _settle(self, flow: Flow) -> None:
        """Keep a connection only as long as there is something to wait for."""
        if flow.open is None and not flow.host and flow.stream is None and (flow.layer is None or flow.loose):
            self._tell_unfinished(flow)
            self._forget(flow, remember=flow.unfinished or not flow.loose)

    def _forget(self, flow: Flow, *, remember: bool) -> None:
        self._release(flow)
        self._http2.pop(flow.key, None)
        self._flows.pop(flow.key, None)
        if remember:
            self._done[flow.key] = self.at
            if len(self._done) > MOST_DONE:
                self._done.popitem(last=False)

    def _release(self, flow: Flow) -> None:
        flow.stream = None
        self._pending.pop(flow.key, None)
        self._account(flow)

    def _account(self, flow: Flow) -> None:
        held = flow.stream.held if flow.stream is not None else 0
        self._held += held - flow.accounted
        flow.accounted = held

    def _evict(self, flow: Flow) -> None:
        if flow.stream is not None or flow.open is not None or flow.host:
            self.evicted += 1
            flow.counted = True
        self._close(flow)

    def _tell_unfinished(self, flow: Flow) -> None:
        if flow.unfinished and not (flow.named or flow.host or flow.counted):
            self._names.blind.note("unfinished", flow.client)

    def _close(self, flow: Flow, *, ended: bool = False) -> None:
        """The connection is over, or nobody looks any longer: what is held is read for the last time."""
        while flow.stream is not None and flow.layer is not None:
            self._reread(flow, flow.stream)
            if flow.stream is not None and not self._pass_gap(flow, flow.stream):
                break
        ended = ended or flow.out.closed or (flow.into is not None and flow.into.closed)
        received = flow.into.total if flow.into is not None else None
        if flow.open is not None:
            self._names.observe(flow.open, *flow.volumes(flow.out.total, received, known=ended), flow.source)
            flow.open = None
        elif flow.host and not flow.named and flow.established:
            volumes = flow.volumes(flow.out.total, received, known=ended and flow.whole)
            self._names.connection(
                flow.host, flow.client, flow.server, flow.port, self.at, *volumes, source=flow.source
            )
        self._tell_unfinished(flow)
        self._forget(flow, remember=flow.named)
