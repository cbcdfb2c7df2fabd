"""YAML inventories: what is read, and every problem with its line."""

from __future__ import annotations

import datetime
import textwrap

import pytest

from aimscope_collector.inventory.load import parse
from aimscope_collector.inventory.model import AuthorisedUse, Inventory
from aimscope_collector.inventory.problems import Problem


def read(text: str) -> Inventory:
    loaded = parse(textwrap.dedent(text).encode(), "inventory.yaml")
    assert loaded.content is not None, loaded.problems
    return loaded.content


def problems(text: str) -> list[tuple[int, str, str]]:
    """Line, field and message of every error, after making sure that each says what to do."""
    loaded = parse(textwrap.dedent(text).encode(), "inventory.yaml")
    assert loaded.content is None
    assert all(problem.advice.endswith(".") for problem in loaded.problems)
    return [(problem.line, problem.field, problem.message) for problem in loaded.errors]


def test_every_type_of_field() -> None:
    (system,) = read(
        """
        aimscope_inventory: 1
        systems:
          - id: AI-1
            name: Cursor
            status: Approved
            kind: app
            services: cursor
            units: [engineering, "sales"]
            scope: {in_aims: no, justification: Lab}
            expiry: 2026-12-31
            start: 2026-01-01T00:00:00Z
            allowed_domains: ["https://*.Cursor.com/login?x", cursor.sh:443]
            version: 4.10
            notes: |
              two
              lines
            owner:
            approver: ~
            next_review: null
        """
    ).systems
    assert system.status == "approved"
    assert system.services == ("cursor",)
    assert system.units == ("engineering", "sales")
    assert system.scope.in_aims is False
    assert system.expiry == datetime.date(2026, 12, 31)
    assert system.start == datetime.date(2026, 1, 1)
    assert system.allowed_domains == ("cursor.com", "cursor.sh")
    assert system.version == "4.10"
    assert system.notes == "two\nlines"
    assert (system.owner, system.approver, system.next_review) == ("", "", None)


@pytest.mark.parametrize(
    "name", ["No", "1.0", "2026-01-01", "=cmd|' /C calc'!A0", "@SUM(1)", "0x1F", "1_000", "12:30:00"]
)
def test_a_name_stays_the_text_it_is(name: str) -> None:
    assert read(f'aimscope_inventory: 1\nsystems: [{{name: "{name}", status: approved}}]').systems[0].name == name


def test_a_plain_no_is_a_name_too() -> None:
    assert read("aimscope_inventory: 1\nsystems: [{name: No, status: approved}]").systems[0].name == "No"


def test_weights_and_ignores() -> None:
    inventory = read(
        """
        aimscope_inventory: "1"
        organisation: {name: Corp, domains: [CORP.example.]}
        ignores:
          - {service: cursor, evidence: {name: cursor}, reason: Ours, expiry: 2026-12-31}
        risk: {weights: {agentic: 2.5}}
        """
    )
    assert inventory.organisation.domains == ("corp.example",)
    assert inventory.ignores[0].evidence == {"name": "cursor"}
    assert inventory.risk.weights.agentic == 2.5
    assert inventory.risk.weights.credential == 1.0


def test_every_problem_is_reported_with_its_line() -> None:
    assert problems(
        """\
        aimscope_inventory: 1
        organisation:
          domain: corp.example
        systems:
          - name: A
            status: aproved
            ownr: x
            expiry: 31.12.2026
          - status: approved
          - name: C
            status: approved
            start: 2026-06-01
            expiry: 2026-02-30
            conditions:
              - Only for tests
              - no_remote_mpc
            allowed_domains: [ok.example, "not a host"]
          - just text
          - {name: D, status: approved, start: 2026-02-01, expiry: 2026-01-01}
        risk:
          weights:
            agentic: 9
            agentc: 1
        sytems: []
        """
    ) == [
        (3, "organisation.domain", '"domain" is not a field known here.'),
        (6, "systems[0].status", '"aproved" is not known here.'),
        (7, "systems[0].ownr", '"ownr" is not a field known here.'),
        (8, "systems[0].expiry", '"31.12.2026" is not a date.'),
        (9, "systems[1].name", '"name" is missing.'),
        (13, "systems[2].expiry", '"2026-02-30" is not a date.'),
        (16, "systems[2].conditions[1]", '"no_remote_mpc" is not a known condition.'),
        (17, "systems[2].allowed_domains[1]", '"not a host" is not a host name.'),
        (18, "systems[3]", "Expected fields with values here."),
        (19, "systems[4].expiry", "It ends on 2026-01-01, before it starts on 2026-02-01."),
        (22, "risk.weights.agentic", '"9" is not a number from -5 to 5.'),
        (23, "risk.weights.agentc", '"agentc" is not a field known here.'),
        (24, "sytems", '"sytems" is not a field known here.'),
    ]


@pytest.mark.parametrize(
    ("key", "meant"),
    [("ownr", "owner"), ("expires", "expiry"), ("allowed_domain", "allowed_domains"), ("Status", "status")],
)
def test_an_unknown_field_names_the_one_that_was_meant(key: str, meant: str) -> None:
    loaded = parse(f"aimscope_inventory: 1\nsystems: [{{name: x, status: approved, {key}: y}}]".encode(), "a.yml")
    assert f'Did you mean "{meant}"?' in loaded.errors[0].advice


def test_an_unknown_field_that_is_like_none_is_not_guessed() -> None:
    loaded = parse(b"aimscope_inventory: 1\nqqqqqq: 1", "a.yml")
    assert "Did you mean" not in loaded.errors[0].advice


def test_a_problem_reads_as_a_sentence_with_its_place() -> None:
    (problem,) = parse(b"aimscope_inventory: 1\nsystems:\n- {name: x, status: ok}", "dir/a.yaml").problems
    assert str(problem) == (
        'dir/a.yaml:3: systems[0].status: "ok" is not known here. '
        "Write one of approved, prohibited, proposed, restricted, retired, tolerated."
    )


HEADER = "aimscope_inventory"
REFUSED = [
    ("on its own line", "systems:\n- status:\n    wrong\n", (2, "systems[0].status", '"wrong" is not known here.')),
    ("anchor", "a: &x 1\n", (1, "a", 'The anchor "&x" is not read.')),
    ("alias", "\nb: *x\n", (2, "b", 'The alias "*x" is not read.')),
    ("tag", "a: !ruby/x y\n", (1, "a", 'The tag "!ruby/x" is not read.')),
    ("known tag", "a: !!str y\n", (1, "a", 'The tag "tag:yaml.org,2002:str" is not read.')),
    ("written twice", "a: 1\n\na: 2\n", (3, "a", '"a" is written twice, first on line 1.')),
    ("second document", "a: 1\n---\nb: 1\n", (2, "", "The file holds a second document.")),
    ("list as a key", "? [a]\n: b\n", (1, "", "A list or mapping stands where a field name is expected.")),
    ("tab", "a:\n\t- b\n", (2, "", "This is not YAML: found character that cannot start any token.")),
    ("control character", "a: b\nc: \x07\n", (2, "", "This is not YAML: control characters are not allowed.")),
    ("future", "aimscope_inventory: 2\n", (1, HEADER, '"2" is a version of this format that is not known here.')),
    ("no version", "systems: []\n", (1, HEADER, '"aimscope_inventory" is missing.')),
    ("a list", "- a\n", (1, "", "Expected fields with values here.")),
    ("nothing", "", (0, "", "The file is empty.")),
    ("only a comment", "# x\n", (0, "", "The file is empty.")),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_refused(text: str, expected: tuple[int, str, str]) -> None:
    assert expected in problems(text)


def test_identifiers_are_used_once() -> None:
    text = "aimscope_inventory: 1\nsystems:\n- {id: A, name: x, status: approved}\n- {id: a, name: y, status: approved}"
    assert problems(text) == [(4, "systems[1].id", 'The id "a" is used on line 3 already.')]


def test_a_condition_on_accounts_needs_to_know_whose_they_are() -> None:
    row = "{name: x, status: approved, conditions: [organisation_account]%s}"
    text = "aimscope_inventory: 1\n%s\nsystems: [" + row + "]"
    assert problems(text % ("", "")) == [
        (3, "systems[0].conditions[0]", "Nothing says which accounts are the organisation's.")
    ]
    assert read(text % ("organisation: {domains: [corp.example]}", ""))
    assert read(text % ("", ", allowed_accounts: [corp.example]"))


def test_a_network_that_is_none_would_fit_no_machine() -> None:
    row = "aimscope_inventory: 1\nsystems: [{name: x, status: approved, hosts: [%s]}]"
    assert problems(row % "10.0.0.0/33") == [
        (2, "systems[0].hosts[0]", '"10.0.0.0/33" is no network, and fits no machine.')
    ]
    assert read(row % "10.0.0.7/24, 10.0.0.7, '2001:db8::/32', lab-*, a/b")


def test_notes_do_not_refuse() -> None:
    loaded = parse(b"aimscope_inventory: 1\nsystems: [{name: x, status: tolerated}]", "a.yaml")
    assert loaded.content is not None
    assert [note.message for note in loaded.notes] == ['"x" is tolerated for ever.']


def test_more_problems_than_anybody_reads_are_counted() -> None:
    loaded = parse(b"aimscope_inventory: 1\nsystems:\n" + b"- {name: x}\n" * 1_500, "a.yaml")
    assert len(loaded.problems) == 1_001
    assert loaded.problems[-1].message == "There are 500 more problems."


# hostile files


def bomb() -> str:
    levels = [f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]" for level in range(1, 9)]
    return "\n".join(["a0: &a0 [x]", *levels])


def errors_of(data: bytes) -> tuple[Problem, ...]:
    loaded = parse(data, "a.yaml")
    assert loaded.content is None
    return loaded.errors


def test_a_bomb_of_aliases_is_refused_where_it_stands() -> None:
    errors = errors_of(bomb().encode())
    assert {error.line for error in errors} == set(range(1, 10))


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "? ", "[{a: "])
def test_a_very_deep_document_is_refused(opening: str) -> None:
    assert errors_of(b"aimscope_inventory: 1\nsystems: " * (opening != "- ") + opening.encode() * 20_000)


def test_depth_32_is_the_last_that_is_read() -> None:
    assert "deeper" not in errors_of(b"[" * 32 + b"]" * 32)[0].message
    assert "Nested deeper than 32 levels." in errors_of(b"[" * 33 + b"]" * 33)[0].message


def test_too_many_systems_and_too_many_bytes() -> None:
    many = b"aimscope_inventory: 1\nsystems: [" + b"x," * 200_001 + b"]"
    assert "The list has 200,001 items." in [error.message for error in errors_of(many)]
    assert errors_of(b"#" * 20_000_001)[0].message == "The file is larger than 20 MB."


def test_text_is_bounded_and_printable() -> None:
    long = f"aimscope_inventory: 1\nsystems: [{{name: {'x' * 4_001}, status: approved}}]"
    assert problems(long) == [(2, "systems[0].name", "The text has 4,001 characters.")]
    escape = 'aimscope_inventory: 1\nsystems: [{name: "\\e[31mred", status: approved}]'
    assert problems(escape) == [(2, "systems[0].name", "The text has control characters.")]


def test_the_model_and_its_row_names() -> None:
    assert AuthorisedUse(name="Cursor", status="approved").label == "Cursor"
    assert AuthorisedUse(name="Cursor", status="approved", id="AI-1").label == "AI-1 (Cursor)"
