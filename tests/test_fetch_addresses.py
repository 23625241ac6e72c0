"""Which addresses may be contacted: the special ranges that IANA publishes, and spellings that hide them."""

from __future__ import annotations

import socket

import pytest

from media.fetch.addresses import HostRules, Target, addresses_of, check_addresses, check_url, host_matches, is_public
from media.fetch.policy import TIKTOK_HOSTS, FetchPolicy
from schema.errors import UrlNotAllowed

# From IANA's registries of special-purpose addresses (IPv4 and IPv6), of multicast, and RFC 3879, 6052 and 6598: an
# address of each range, first or last.
SPECIAL = [
    "0.0.0.0",
    "0.255.255.255",
    "10.0.0.1",
    "10.255.255.255",
    "100.64.0.1",
    "100.127.255.255",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.0.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::ffff:127.0.0.1",
    "::ffff:192.168.1.1",
    "::ffff:169.254.169.254",
    "64:ff9b::7f00:1",
    "64:ff9b::a00:1",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:a00:1::",
    "2002:c0a8:101::1",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fdff::1",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
]

PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "100.63.255.255",
    "100.128.0.1",
    "172.15.255.255",
    "172.32.0.1",
    "192.167.255.255",
    "198.17.255.255",
]
PUBLIC_6 = ["2606:4700:4700::1111", "2a00:1450:4001::1", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"]


@pytest.mark.parametrize("address", SPECIAL)
def test_special_addresses_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", [*PUBLIC, *PUBLIC_6])
def test_their_neighbours_are(address: str) -> None:
    assert is_public(address)


ANY = HostRules(("*",))
TIKTOK = HostRules(TIKTOK_HOSTS)


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "ftp://www.tiktok.com/x",
        "gopher://www.tiktok.com/x",
        "javascript:alert(1)",
        "//www.tiktok.com/x",
        "www.tiktok.com/x",
        "",
        "http://",
        "http:///x",
        "http://[::1",
        "http://www.tiktok.com:99999/",
        "http://www.tiktok.com:22/",
        "http://www.tiktok.com:x/",
        "http://user@www.tiktok.com/",
        "http://user:password@www.tiktok.com/",
        "http://www.tiktok.com@127.0.0.1/",
        "http://127.0.0.1\\@www.tiktok.com/",
        "http://127.0.0.1#@www.tiktok.com/",
        "http://127.0.0.1?@www.tiktok.com/",
        "http://www.tiktok.com\t.evil.example/",
        "http://www.tiktok.com\x00.evil.example/",
        "http://www.tiktok.com /x",
        "http://www.tiktok.com.evil.example/",
        "http://eviltiktok.com/",
        "http://tiktok.com.",
        "http://tiktok.community/",
        "http://127.0.0.1/",
        "http://127.1/",
        "http://2130706433/",
        "http://0x7f000001/",
        "http://0177.0.0.1/",
        "http://[::1]/",
        "http://[::ffff:7f00:1]/",
        "http://[fe80::1%25eth0]/",
        "http://localhost/",
        "http://ⓛocalhost/",
        "http://www.tiktok.com/" + "x" * 3000,
    ],
)
def test_urls_that_are_refused(url: str) -> None:
    if url == "http://tiktok.com.":
        assert check_url(url, TIKTOK).host == "tiktok.com"  # the trailing dot names the same host
        return
    with pytest.raises(UrlNotAllowed):
        check_url(url, TIKTOK)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.1", "2130706433", "0x7f.1", "0177.0.0.1", "[::1]", "[::ffff:a00:1]", "10.0.0.1"]
)
def test_addresses_spelt_out_are_refused_though_every_name_is_allowed(host: str) -> None:
    with pytest.raises(UrlNotAllowed, match="not a public address"):
        check_url(f"http://{host}/", ANY)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://www.tiktok.com/@someone/video/1", Target("https", "www.tiktok.com", 443, private=False)),
        ("https://vm.tiktok.com/ZMabc/", Target("https", "vm.tiktok.com", 443, private=False)),
        ("HTTP://TikTok.com:8080/", Target("http", "tiktok.com", 8080, private=False)),
        (
            "https://v16-webapp.tiktokcdn.com/x?a=1&b=%20",
            Target("https", "v16-webapp.tiktokcdn.com", 443, private=False),
        ),
    ],
)
def test_urls_that_pass(url: str, expected: Target) -> None:
    assert check_url(url, TIKTOK) == expected


def test_a_private_host_is_allowed_on_its_port_only() -> None:
    rules = HostRules((), ("127.0.0.1:8000", "archive.local:80", "[::1]:8000"))
    assert check_url("http://[::1]:8000/x", rules) == Target("http", "::1", 8000, private=True)
    assert check_url("http://127.0.0.1:8000/x", rules).private
    assert check_url("http://archive.local/x", rules).private
    for url in (
        "http://127.0.0.1:8001/",
        "http://127.0.0.2:8000/",
        "http://x.archive.local/",
        "https://archive.local/",
    ):
        with pytest.raises(UrlNotAllowed):
            check_url(url, rules)


def test_subdomains_match_and_lookalikes_do_not() -> None:
    assert host_matches("a.b.tiktok.com", ("tiktok.com",))
    assert host_matches("tiktok.com", ("TikTok.com",))
    assert not host_matches("tiktok.com", ("www.tiktok.com",))
    assert not host_matches("xtiktok.com", ("tiktok.com",))
    assert not host_matches("tiktok.com", ())


def test_one_address_inside_is_enough_to_refuse() -> None:
    target = Target("http", "a.example", 80, private=False)
    check_addresses(target, ["8.8.8.8", "2606:4700::1"])
    with pytest.raises(UrlNotAllowed, match=r"^'a\.example' resolves to an address that is not public$"):
        check_addresses(target, ["8.8.8.8", "10.0.0.1"])
    check_addresses(Target("http", "a.example", 80, private=True), ["10.0.0.1"])


def test_names_are_looked_up_by_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = [(socket.AF_INET, 1, 6, "", (ip, 80)) for ip in ("8.8.8.8", "10.0.0.1", "8.8.8.8")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: answer)
    assert addresses_of(Target("http", "a.example", 80, private=False)) == ("8.8.8.8", "10.0.0.1")


def test_the_policy_is_held_to_its_bounds() -> None:
    assert FetchPolicy(allowed_hosts=("Example.ORG",)).rules.allowed == ("example.org",)
    for wrong in ({"test_hosts": ("127.0.0.1",)}, {"proxy": "file:///x"}, {"attempts": 0}, {"timeout": 1}):
        with pytest.raises(ValueError, match="1 validation error"):
            FetchPolicy.model_validate(wrong)
