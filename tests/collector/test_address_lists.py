"""Files that say who had which address: each kind, told from the others, and whatever a file holds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aimscope_collector import address_lists
from aimscope_collector.address_lists import LATEST, Found, Lease, Unread, forms, read

ISC = r"""
# The format of this file is documented in the dhcpd.leases(5) manual page.
authoring-byte-order little-endian;

lease 10.1.2.3 {
  starts 2 2026/11/24 08:00:00;
  ends 2 2026/11/24 20:00:00;
  binding state free;
  hardware ethernet 00:00:5e:00:53:01;
  client-hostname "pc-7";
}
lease 10.1.2.3 {
  starts 2 2026/11/24 08:00:00;
  ends 2 2026/11/24 10:00:00; # given back early
  binding state free;
  client-hostname "pc-7";
}
lease 10.1.2.4 {
  starts epoch 1790000000; # Mon Sep 21
  ends never;
  cltt 2 2026/11/24 08:00:00;
  binding state active;
  on expiry { set x = "}"; client-hostname "inner"; }
  set ddns-fwd-name = "pc-8.corp.example";
}
lease 10.1.2.5 {
  starts 2 2026/11/24 08:00:00;
  ends 2 2026/11/24 20:00:00;
  binding state abandoned;
  client-hostname "nobody";
}
lease 10.1.2.6 {
  starts 2 2026/11/24 08:00:00;
  ends 2 2026/11/24 20:00:00;
  binding state active;
}
lease 10.1.2.7 {
  starts 2 yesterday;
  binding state active;
}
ia-na "\001" {
  cltt 2 2026/11/24 08:00:00;
  iaaddr 2001:db8::7 {
    binding state active;
    ends 2 2026/11/24 20:00:00;
    set ddns-fwd-name = "pc-9";
  }
}
"""
DNSMASQ = """\
1790003600 00:00:5e:00:53:01 10.1.2.3 pc-7 01:00:00:5e:00:53:01
0 00:00:5e:00:53:02 10.1.2.4 pc-8 *
1790003600 00:00:5e:00:53:03 10.1.2.5 * *
duid 00:01:00:01
1790003600 1234 2001:db8::7 pc-9 00:01
never 00:00:5e:00:53:03 10.1.2.5 pc-1 *
"""
KEA = """\
address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context,pool_id
10.1.2.3,00:00:5e:00:53:01,,3600,1790003600,1,0,0,pc-7.corp.example.,0,,0
10.1.2.3,00:00:5e:00:53:01,,7200,1790007200,1,0,0,pc-7.corp.example.,0,,0
10.1.2.4,00:00:5e:00:53:02,,0,1790003600,1,0,0,gone,0,,0
10.1.2.5,00:00:5e:00:53:02,,3600,1790003600,1,0,0,declined,1,,0
10.1.2.6,00:00:5e:00:53:03,,4294967295,4294967295,1,0,0,pc&#x2c8,0,,0
10.1.2.7,00:00:5e:00:53:03,,x,1790003600,1,0,0,pc-9,0,,0
"""
HOSTS = """\
# names of addresses
127.0.0.1 localhost
10.1.2.3  pc-7.corp.example pc-7   # in the second room
::1 ip6-localhost
2001:db8::7\tpc-9
10.1.2.9
"""
TABLE = """\
Host Name;IP Address;Valid From;Valid To
pc-7;10.1.2.3;2026-11-24T08:00:00Z;2026-11-24T09:00:00+01:00
pc-8;10.1.2.4;;
pc-9;10.1.2.5;2026-11-24T08:00:00Z;2026-11-24T07:00:00Z
pc-9;10.1.2.5;soon;
10.1.2.6;10.1.2.6;;
"""
DAY = 1_795_507_200
"""2026-11-24T08:00:00Z."""
FILES = {"isc": ISC, "dnsmasq": DNSMASQ, "kea": KEA, "hosts": HOSTS, "table": TABLE}
SAID: dict[str, tuple[tuple[Lease, ...], int, int]] = {
    "isc": (
        (
            Lease("pc-7", "10.1.2.3", DAY, DAY + 7_200),
            Lease("pc-8.corp.example", "10.1.2.4", 1_790_000_000, LATEST),
            Lease("pc-9", "2001:db8::7", None, DAY + 43_200),
        ),
        1,
        1,
    ),
    "dnsmasq": (
        (
            Lease("pc-7", "10.1.2.3", None, 1_790_003_600),
            Lease("pc-8", "10.1.2.4", None, LATEST),
            Lease("pc-9", "2001:db8::7", None, 1_790_003_600),
        ),
        1,
        1,
    ),
    "kea": (
        (
            Lease("pc-7.corp.example", "10.1.2.3", 1_790_000_000, 1_790_007_200),
            Lease("pc,8", "10.1.2.6", None, LATEST),
        ),
        0,
        1,
    ),
    "hosts": ((Lease("pc-7.corp.example", "10.1.2.3", None, None), Lease("pc-9", "2001:db8::7", None, None)), 0, 1),
    "table": ((Lease("pc-7", "10.1.2.3", DAY, DAY), Lease("pc-8", "10.1.2.4", None, None)), 1, 2),
}


@pytest.mark.parametrize("form", FILES)
def test_a_file_is_told_and_read(form: str) -> None:
    found = read(FILES[form].encode())
    leases, nameless, problems = SAID[form]
    assert (found.form, found.leases, found.nameless) == (form, leases, nameless)
    assert len(found.problems) == problems, found.problems
    assert read(FILES[form].encode(), form) == found


def test_every_kind_is_tried_here_and_a_line_that_is_wrong_is_named() -> None:
    assert {each.NAME for each in forms()} == set(FILES)
    assert read(DNSMASQ.encode()).problems == ("line 6: 'never' is no moment",)
    assert read(KEA.encode()).problems == ("line 7: a number cannot be read",)
    assert read(ISC.encode()).problems == ("line 37: the lease of 10.1.2.7 has a time that cannot be read",)


@pytest.mark.parametrize(
    "text", ["", "\n", "hello", "a,b\n1,2\n", '{"leases": []}', "10.1.2.3", "name,unit\npc-7,emea\n", "\0\0\0"]
)
def test_what_is_none_of_them_is_refused(text: str) -> None:
    with pytest.raises(Unread):
        read(text.encode())
    with pytest.raises(Unread, match="no form"):
        read(ISC.encode(), "bind")


@pytest.mark.parametrize("name", ["a b", "../x", "x" * 254, "pc\x1b[1m", "a\\b"])
def test_a_name_that_no_device_has_is_left_out(name: str) -> None:
    found = read(f'address,name\n10.1.2.3,"{name}"\n10.1.2.4,ok\n'.encode())
    assert [lease.name for lease in found.leases] == ["ok"]
    assert len(found.problems) == 1


def test_a_file_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(address_lists, "MAX_LEASES", 2)
    with pytest.raises(Unread, match="more than 2"):
        read(b"10.1.2.3 a\n10.1.2.4 b\n10.1.2.5 c\n")
    monkeypatch.setattr(address_lists, "MAX_BYTES", 5)
    with pytest.raises(Unread, match="larger"):
        read(b"10.1.2.3 a\n")


_PIECES = st.sampled_from(
    (
        *("lease 10.0.0.1 {", "}", "{", ";", '"', "\\", "starts 1 2026/01/01 00:00:00;", "ends never;", "epoch 1;"),
        *("binding state active;", 'client-hostname "x";', "0 a 10.0.0.1 b c", "address,name", "expire", "\0", "#"),
        *("address,valid_lifetime,expire,hostname", "10.0.0.1,99999999999999999999,1,a", "99999999999999 a ::1 b *"),
        *("\n", ","),
    )
)


@given(st.one_of(st.text(max_size=300), st.lists(_PIECES, max_size=40).map("".join)), st.sampled_from(sorted(FILES)))
def test_whatever_a_file_holds_gives_sound_leases(text: str, form: str) -> None:
    found = read(text.encode("utf-8", "surrogatepass"), form)
    assert isinstance(found, Found)
    for lease in found.leases:
        assert lease.name
        assert lease.name.isprintable()
        assert lease.begins is None or 0 <= lease.begins <= LATEST
        assert None in (lease.begins, lease.ends) or (lease.begins or 0) <= (lease.ends or 0)
