"""The inventory of authorised AI: what may be used, by whom, where, until when.

The structs are the schema: readers, problems, the template and the header names of spreadsheets are derived from
them. ``about`` gives a field its sentence and the column headings under which spreadsheets usually hold it.
"""

from __future__ import annotations

import datetime
from typing import Annotated, Final, Literal

import msgspec

VERSION: Final = 1

UseStatus = Literal["proposed", "approved", "restricted", "tolerated", "prohibited", "retired"]
SystemKind = Literal["app", "model", "agent", "embedded", "api", "local"]
ProviderRole = Literal["provider", "deployer", "both"]

CONDITIONS: Final[dict[str, str]] = {
    "organisation_account": "Only with an account of the organisation or one of allowed_accounts.",
    "no_stored_credentials": "No credential of the service in files or environments of the machine.",
    "no_remote_mcp": "No MCP server that runs on another machine.",
}
"""Conditions a scan can check. Any other condition is a sentence for people."""


def about(doc: str, headings: str = "") -> msgspec.Meta:
    """A field's sentence, and column headings that mean it: lower case, separated by semicolons."""
    return msgspec.Meta(description=doc, extra={"headings": tuple(headings.split("; "))} if headings else None)


Text = Annotated[str, msgspec.Meta(max_length=4_000)]
Texts = Annotated[tuple[Text, ...], msgspec.Meta(max_length=1_000)]
Domains = Annotated[tuple[Text, ...], msgspec.Meta(max_length=1_000, extra={"domains": True})]
Day = datetime.date | None
Weight = Annotated[float, msgspec.Meta(ge=-5, le=5)]


class Scope(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Whether the system belongs to the AI management system, and why."""

    in_aims: Annotated[
        bool | None, about("Inside the AI management system (yes) or outside (no).", "in scope; aims scope; scope")
    ] = None
    justification: Annotated[Text, about("Why.", "scope justification; justification")] = ""


class AuthorisedUse(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One row: a system, and the use of it that is authorised or forbidden."""

    name: Annotated[
        Text,
        about(
            "What people call it.",
            "tool; tool name; ai tool; ai system; system; system name; ai system name; application; "
            "application name; app; app name; product; product name; service; service name; solution; "
            "software; software name; title; asset; asset name; ai application; ai service; ai model; "
            "model name; use case; project title; ai",
        ),
    ]
    status: Annotated[
        UseStatus,
        about(
            "Whether it may be used.",
            "approval status; approval; state; decision; approved; sanctioned; lifecycle; allowed; "
            "lifecycle state; authorisation; authorization; policy; verdict",
        ),
    ]
    id: Annotated[
        Text, about("Your own identifier, or the catalogue's.", "ref; ref id; reference; no; nr; number; uc id")
    ] = ""
    services: Annotated[
        Texts,
        about("Catalogue ids (or names) of the services this row is about.", "catalogue id; catalog id; service id"),
    ] = ()
    aliases: Annotated[Texts, about("Other names people use for it.", "alias; also known as; other names")] = ()
    vendors: Annotated[Texts, about("Every service of these vendors.", "all services of vendor")] = ()
    categories: Annotated[Texts, about("Every service of these catalogue categories.", "all services of category")] = ()
    kind: Annotated[
        SystemKind | None, about("What sort of system it is.", "type; system type; ai type; tool type; asset type")
    ] = None
    vendor: Annotated[
        Text,
        about(
            "Who makes it.",
            "vendor name; supplier; provider; manufacturer; company; publisher; developer; maker; "
            "third party; hosting provider; model provider",
        ),
    ] = ""
    provider_role: Annotated[
        ProviderRole | None, about("Your role for it, as the EU AI Act means it.", "role; our role; ai act role")
    ] = None
    version: Annotated[Text, about("Version.", "version number; release")] = ""
    model: Annotated[
        Text, about("Model behind it; * stands for any text.", "underlying model; llm; foundation model; models used")
    ] = ""
    purpose: Annotated[
        Text,
        about(
            "What it may be used for.",
            "intended use; intended purpose; description; goal; business purpose; usage; summary",
        ),
    ] = ""
    intended_users: Annotated[Texts, about("Who is meant to use it.", "users; user group; user groups; audience")] = ()
    departments: Annotated[
        Texts,
        about(
            "Departments that use it; for the record, see units.",
            "department; team; teams; business area; unit; business unit; division",
        ),
    ] = ()
    owner: Annotated[
        Text,
        about(
            "Who answers for it.",
            "business owner; system owner; product owner; responsible; responsible person; owned by; "
            "accountable; contact; ai owner; governance owner",
        ),
    ] = ""
    approver: Annotated[Text, about("Who decided the status.", "approved by; authorised by; authorized by")] = ""
    scope: Annotated[Scope, about("Whether it belongs to the AI management system.")] = Scope()
    risk_class: Annotated[
        Text,
        about(
            "Risk class, of the EU AI Act or your own.",
            "risk; risk level; risk classification; risk category; risk rating; ai risk classification; "
            "eu ai act class; eu ai act risk; classification; risk tier",
        ),
    ] = ""
    impact_assessment_ref: Annotated[
        Text, about("Where its impact assessment is.", "impact assessment; dpia; dpia ref; assessment; aia ref")
    ] = ""
    impact_assessment_date: Annotated[
        Day, about("When that was made.", "assessment date; dpia date; date of assessment")
    ] = None
    data_categories: Annotated[
        Texts, about("Data it may be given.", "data; data types; data type; data classification; data processed")
    ] = ()
    data_residency: Annotated[
        Text, about("Where the data stays.", "data location; hosting location; hosting; region; storage location")
    ] = ""
    training_on_data: Annotated[
        Text, about("Whether the vendor trains on what it is given.", "trains on data; training; training on input")
    ] = ""
    contract_ref: Annotated[Text, about("Contract.", "contract; agreement; licence; license; contract no")] = ""
    dpa_ref: Annotated[Text, about("Data processing agreement.", "dpa; data processing agreement; avv")] = ""
    units: Annotated[
        Texts,
        about(
            "Organisational units it is for (with those below: emea covers emea/sales); none means all.",
            "allowed units; authorised units; for units",
        ),
    ] = ()
    hosts: Annotated[
        Texts,
        about(
            "Machines it is for, by name or address; * stands for any text, 10.0.0.0/24 for a network.",
            "allowed hosts; allowed machines",
        ),
    ] = ()
    environments: Annotated[Texts, about("Environments it is for: production, lab.", "allowed environments")] = ()
    domains: Annotated[
        Domains, about("Hosts by which it is known.", "domain; url; urls; website; web site; homepage")
    ] = ()
    allowed_domains: Annotated[Domains, about("The only hosts it may use; each with everything below.")] = ()
    allowed_processes: Annotated[Texts, about("The only programs or packages it may run as.", "allowed programs")] = ()
    allowed_device_groups: Annotated[Texts, about("Device groups it is for.", "allowed groups")] = ()
    allowed_accounts: Annotated[
        Texts,
        about("Account domains or tenants it may be used with.", "tenant; tenants; allowed tenants; account domains"),
    ] = ()
    conditions: Annotated[Texts, about(f"{', '.join(CONDITIONS)}, or sentences for people.", "condition")] = ()
    start: Annotated[
        Day, about("First day it may be used.", "start date; valid from; approval date; approved on; date approved")
    ] = None
    expiry: Annotated[
        Day, about("Last day it may be used.", "expiry date; expires; expires on; valid until; valid to; end date")
    ] = None
    next_review: Annotated[
        Day, about("When to look at it again.", "review; review date; next review date; review due; reassessment")
    ] = None
    controls: Annotated[Texts, about("Controls in force.", "control; mitigations; safeguards; measures")] = ()
    evidence_refs: Annotated[Texts, about("Where the evidence is.", "evidence; evidence ref; documents; files")] = ()
    notes: Annotated[Text, about("Anything else.", "note; comment; comments; remarks")] = ""

    @property
    def label(self) -> str:
        """How sentences name this row."""
        return f"{self.id} ({self.name})" if self.id and self.id != self.name else self.name


class Ignore(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A detection that is known to be wrong, or not worth a finding, until a day."""

    service: Annotated[Text, about("Catalogue id the detection claims.")]
    reason: Annotated[Text, about("Why it is wrong.")]
    expiry: Annotated[datetime.date, about("Last day on which it is ignored.")]
    kind: Annotated[Text, about("Only this kind of evidence.")] = ""
    evidence: Annotated[dict[str, Text], about("Only where these fields have these values.")] = {}
    hosts: Annotated[Texts, about("Only on these machines, named as in hosts of a system.")] = ()
    by: Annotated[Text, about("Who decided it.")] = ""


class Weights(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What each factor adds to likelihood or impact (both 1 to 5, rounded half up)."""

    likelihood_base: Annotated[Weight, about("Where likelihood starts.")] = 1.0
    presence_uploaded: Annotated[Weight, about("Likelihood: it was seen at work, with large uploads.")] = 2.5
    presence_used: Annotated[Weight, about("Likelihood: it was seen at work.")] = 2.0
    presence_attempted: Annotated[Weight, about("Likelihood: somebody tried, and was blocked.")] = 1.0
    presence_installed: Annotated[Weight, about("Likelihood: it is on disk.")] = 1.0
    presence_configured: Annotated[Weight, about("Likelihood: it is set up.")] = 1.0
    presence_mentioned: Annotated[Weight, about("Likelihood: it is only named, for instance in code.")] = 0.0
    identity_certain: Annotated[Weight, about("Likelihood: there is no doubt that it is this service.")] = 0.5
    identity_high: Annotated[Weight, about("Likelihood: it is very probably this service.")] = 0.5
    identity_medium: Annotated[Weight, about("Likelihood: it is probably this service.")] = 0.0
    many_evidences: Annotated[Weight, about("Likelihood: five or more pieces of evidence agree.")] = 1.0
    impact_base: Annotated[Weight, about("Where impact starts.")] = 2.0
    upload_volume: Annotated[Weight, about("Impact: ten megabytes or more were sent to it.")] = 1.0
    credential: Annotated[Weight, about("Impact: a credential for it is kept on the machine.")] = 1.0
    personal_account: Annotated[Weight, about("Impact: used with an account outside the organisation.")] = 1.0
    remote_mcp: Annotated[Weight, about("Impact: an MCP server on another machine is connected.")] = 1.0
    agentic: Annotated[Weight, about("Impact: it acts by itself, not only answers.")] = 1.0
    trains_on_input: Annotated[Weight, about("Impact: the vendor trains on input unless told otherwise.")] = 1.0
    unknown_vendor: Annotated[Weight, about("Impact: who runs it is not known.")] = 1.0
    local_only: Annotated[Weight, about("Impact: nothing leaves the machine.")] = -1.0


class Risk(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """How findings are rated here."""

    weights: Annotated[Weights, about("Weights that differ from the built-in ones.")] = Weights()


class Organisation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Whose inventory this is."""

    name: Annotated[Text, about("Name.")] = ""
    domains: Annotated[
        Domains, about("Domains of the organisation's accounts: an account elsewhere is a personal one.")
    ] = ()


class Inventory(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The whole inventory."""

    aimscope_inventory: Annotated[Literal[1], about("Version of this format.")]
    organisation: Annotated[Organisation, about("Whose inventory this is.")] = Organisation()
    systems: Annotated[
        tuple[AuthorisedUse, ...], msgspec.Meta(max_length=200_000), about("What is authorised or forbidden.")
    ] = ()
    ignores: Annotated[tuple[Ignore, ...], msgspec.Meta(max_length=10_000), about("Detections known to be wrong.")] = ()
    risk: Annotated[Risk, about("How findings are rated here.")] = Risk()


class IgnoreFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Wrong detections that one machine or person keeps apart from the inventory."""

    aimscope_ignores: Annotated[Literal[1], about("Version of this format.")] = 1
    ignores: Annotated[tuple[Ignore, ...], msgspec.Meta(max_length=10_000), about("Detections known to be wrong.")] = ()
