"""How far away a host is: what peers may tell each other."""

from ipaddress import IPv4Address

import pytest

from tangle.net.addresses import Scope, get_scope
from tangle.net.errors import InvalidAddress


@pytest.mark.parametrize(
    ("host", "scope"),
    [
        ("127.0.0.1", Scope.MACHINE),
        ("127.8.9.10", Scope.MACHINE),
        ("::1", Scope.MACHINE),
        ("::ffff:127.0.0.1", Scope.MACHINE),
        ("10.0.0.1", Scope.NETWORK),
        ("172.16.3.4", Scope.NETWORK),
        ("192.168.1.1", Scope.NETWORK),
        ("169.254.0.9", Scope.NETWORK),
        ("fd00::1", Scope.NETWORK),
        ("fe80::1%eth0", Scope.NETWORK),
        ("8.8.8.8", Scope.WORLD),
        ("::ffff:8.8.8.8", Scope.WORLD),
        ("2606:4700::1", Scope.WORLD),
    ],
)
def test_scopes(host: str, scope: Scope) -> None:
    assert get_scope(host) is scope


@pytest.mark.parametrize(
    "host",
    [
        "",
        "a.name",
        "localhost",
        str(IPv4Address(0)),
        "::",
        "224.0.0.1",
        "ff02::1",
        "255.255.255.255",
        "1.2.3",
    ],
)
def test_what_no_single_machine_has(host: str) -> None:
    with pytest.raises(InvalidAddress):
        get_scope(host)
