"""What agents and collector say to each other: JSON over HTTPS, tolerant of fields it does not know.

Rows of a report are arrays: they are many. A field may be added at the end of any of these structs with a default; none
is ever removed, moved or given another meaning. An agent two versions older or newer is therefore understood, and
reports recorded in ``tests/_data/wire`` stay readable. No body names the agent: who reports is known by its credential.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec

from aimscope_signatures.kinds import Identity, Presence
from aimscope_signatures.model import Status

SCHEMA: Final = 1
MOST_CELLS: Final = 1_000
"""Cells of one report; the same bound holds for facts and looks."""
MOST_RUNS: Final = 100
LONGEST_TEXT: Final = 1_024
LONGEST_NAME: Final = 256
LARGEST: Final = (1 << 53) - 1
"""The largest number every JSON reader keeps exactly."""

Text = Annotated[str, msgspec.Meta(max_length=LONGEST_TEXT)]
Name = Annotated[str, msgspec.Meta(max_length=LONGEST_NAME)]
Token = Annotated[str, msgspec.Meta(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9._:+-]+$")]
Hash = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$")]
Count = Annotated[int, msgspec.Meta(ge=0, le=LARGEST)]
Moment = Annotated[int, msgspec.Meta(ge=-LARGEST, le=LARGEST)]
"""Seconds since 1970 UTC by the clock of whoever says it."""
Month = Annotated[int, msgspec.Meta(ge=197001, le=999912)]
"""Year × 100 + month, UTC, fixed when it was observed."""
Day = Annotated[int, msgspec.Meta(ge=19700101, le=99991231)]
"""Year × 10,000 + month × 100 + day, UTC."""
Pairs = Annotated[tuple[tuple[Name, Text], ...], msgspec.Meta(max_length=32)]
Texts = Annotated[tuple[Text, ...], msgspec.Meta(max_length=64)]


class Fact(msgspec.Struct, frozen=True, array_like=True):
    """One piece of evidence, as the kind's evidence fields tell it apart: no user, version, time or free text."""

    service: Annotated[str, msgspec.Meta(max_length=128)]
    """Catalogue id; empty for AI that no catalogue knows."""
    kind: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    fields: Pairs
    held: Annotated[tuple[tuple[Name, Name, Text], ...], msgspec.Meta(max_length=16)] = ()
    """The tests that held: field, operator, value of the catalogue."""


class Cell(msgspec.Struct, frozen=True, array_like=True):
    """A running total: what is known of one fact on one asset for one subject in one month.

    Totals, not increments: the collector takes the larger count, the earlier first, the later last, all days.
    """

    fact: Annotated[int, msgspec.Meta(ge=0, lt=MOST_CELLS)]
    """Position in the report's ``facts``."""
    month: Month
    asset: Name
    """The device it is about; empty for the reporting machine."""
    subject: Name
    """The account; empty for the machine."""
    count: Count
    first: Moment
    last: Moment
    days: Annotated[int, msgspec.Meta(ge=0, lt=1 << 31)]
    identity: Identity
    presence: Presence
    bytes_out: Count | None = None
    bytes_in: Count | None = None
    details: Pairs = ()


class Look(msgspec.Struct, frozen=True, array_like=True):
    """How one sensor's looks went on one day; ``source`` is empty for the sensor as a whole, else one gap of it."""

    sensor: Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
    source: Text
    day: Day
    sequence: Count
    """Number of the scan run that said it: the highest decides the status."""
    status: Status
    reason: Text = ""
    remedy: Text = ""
    counts: Annotated[tuple[tuple[Name, Count], ...], msgspec.Meta(max_length=32)] = ()
    emits: Annotated[tuple[Name, ...], msgspec.Meta(max_length=64)] = ()
    """Kinds this sensor would have shown: what its complete look proves the absence of."""
    at: Moment = 0
    """When the latest look ended."""


class Run(msgspec.Struct, frozen=True, array_like=True):
    """One scan as an auditor asks for it: who, when, with what, and what came out."""

    uid: Token
    sequence: Count
    mode: Annotated[str, msgspec.Meta(max_length=32)]
    """``schedule``, ``once``, ``gateway``, ``logs``, ``network``."""
    started: Moment
    finished: Moment
    catalogue: Name
    policy: Name
    complete: bool
    sightings: Count
    digest: Hash
    """SHA-256 of the run's sightings and coverage as the agent recorded them."""


class Report(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """``POST /v1/ingest``: totals that changed since the collector last acknowledged them."""

    schema: int
    epoch: Token
    """Drawn when the agent's ledger was created: totals of another ledger are other totals."""
    sequence: Annotated[int, msgspec.Meta(ge=1, le=LARGEST)]
    sent: Moment
    catalogue: Name = ""
    policy: Name = ""
    facts: Annotated[tuple[Fact, ...], msgspec.Meta(max_length=MOST_CELLS)] = ()
    cells: Annotated[tuple[Cell, ...], msgspec.Meta(max_length=MOST_CELLS)] = ()
    looks: Annotated[tuple[Look, ...], msgspec.Meta(max_length=MOST_CELLS)] = ()
    runs: Annotated[tuple[Run, ...], msgspec.Meta(max_length=MOST_RUNS)] = ()
    acknowledged: Count = 0
    """As in ``CheckIn``."""


class Feed(msgspec.Struct, frozen=True):
    """What the collector offers: fetched by hash, believed only for its signatures."""

    version: Count
    sha256: Hash
    envelope: str
    """The signed description of it."""


class Pace(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Every answer: what is committed, and when to come again."""

    committed: Count = 0
    """Sequence of the report that is on disk. What is not acknowledged is sent again."""
    next_check_in: Annotated[int, msgspec.Meta(ge=1, le=86_400)] = 300
    """Seconds."""
    full_state: bool = False
    """The collector knows less than it acknowledged (a restored backup): send every total again."""
    rotate: bool = False
    """Draw a new secret."""
    now: Moment = 0
    """The collector's clock."""
    feeds: dict[str, Feed] = {}
    """``root``, ``catalogue``, ``overlay``, ``policy``, as far as there is something newer than the agent has."""
    notice: Text = ""


class CheckIn(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """``POST /v1/check-in``: a sign of life."""

    schema: int
    epoch: Token
    acknowledged: Count
    """Sequence of the last report of this epoch that the agent knows to be committed.

    A collector that never saw that report was restored from a backup, and answers ``full_state``. It answers the same
    report in the same way again: an agent that heard nothing, or was killed, sends it once more.
    """
    sent: Moment
    name: Name = ""
    addresses: Annotated[tuple[Name, ...], msgspec.Meta(max_length=64)] = ()
    machine: Hash | Literal[""] = ""
    """Digest of what tells this machine from a copy of its disk."""
    platform: Name = ""
    version: Name = ""
    versions: dict[Name, Count] = {}
    """Version of each feed in force."""
    pending: Count = 0
    notices: Texts = ()
    """What somebody should know: a refused catalogue, a stopped sensor, a ledger set aside."""
    new_secret: Hash | Literal[""] = ""
    """SHA-256 of the secret that replaces the present one."""
    acknowledges_policy: Count = 0
    """Version of the policy that this agent has put in force."""


class Enrol(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """``POST /v1/enrol``: the agent has drawn its own identity and secret; asking twice gives the same answer."""

    schema: int
    token: Token
    agent: Token
    secret: Hash
    """SHA-256 of the secret, which itself is sent only as the credential of later requests."""
    machine: Hash
    name: Name
    platform: Name = ""
    version: Name = ""
    addresses: Annotated[tuple[Name, ...], msgspec.Meta(max_length=64)] = ()
    device_id: Name = ""
    """What device management calls this machine, where the token asks for it."""


class Enrolled(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The answer: ``approved`` is false while a person has yet to let the machine in."""

    agent: Token
    approved: bool
    root: str = ""
    """The signed root of trust to begin with."""
    next_check_in: int = 300


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An error as RFC 9457 has it: ``type`` is a stable word that programs compare."""

    type: str
    title: str
    status: int
    detail: str = ""
