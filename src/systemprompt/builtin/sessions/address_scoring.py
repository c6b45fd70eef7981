"""How suspicious an address looks. Pure: what came from it in, a score out, with the weights as data.

Signals are joined as in `behavior_scoring`. Window and expiry are what fail2ban calls findtime and bantime. The weights and
thresholds are ours. Shares count more than sums, since a whole office may come from one address.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from types import MappingProxyType
from typing import TypeAlias

from systemprompt.builtin.sessions.behavior_scoring import Score, between, is_probe, score_of
from systemprompt.clock import SECOND, Instant

__all__ = [
    "WEIGHTS",
    "AddressFacts",
    "Network",
    "is_nobodys",
    "network_of",
    "network_text",
    "read_networks",
    "score_address",
]

Network: TypeAlias = IPv4Network | IPv6Network

WEIGHTS: Mapping[str, float] = MappingProxyType(
    {
        "scan_paths": 0.70,
        "failed_requests": 0.45,
        "request_rate": 0.45,
        "session_score": 0.60,
        "flagged_sessions": 0.35,
    }
)


@dataclass(slots=True, kw_only=True)
class AddressFacts:
    """What came from one address in the window, added up as it is read. Of probes, only as many as count are remembered."""

    first_at: Instant
    last_at: Instant
    sessions: int = 0
    flagged: int = 0
    worst_score: float = 0.0
    requests: int = 0
    failed: int = 0
    probes: set[str] = field(default_factory=set)
    minutes: Counter[int] = field(default_factory=Counter)

    def add_session(
        self, *, started_at: Instant, last_at: Instant, score: float, flagged: bool, requests: int, failed: int
    ) -> None:
        """Add one session with its counters, and nothing of its single requests."""
        self.first_at, self.last_at = min(self.first_at, started_at), max(self.last_at, last_at)
        self.sessions += 1
        self.flagged += flagged
        self.worst_score = max(self.worst_score, score)
        self.requests += requests
        self.failed += failed

    def add_request(self, at: Instant, path: str) -> None:
        """Add what only a single request shows: when it came, and what it asked for."""
        self.minutes[at // (60 * SECOND)] += 1
        if len(self.probes) < _MANY_PROBES and is_probe(path):
            self.probes.add(path)


def score_address(facts: AddressFacts) -> Score:
    """Score one address."""
    strengths = {
        # Different paths that only somebody who looks for holes asks for; five are certainty.
        "scan_paths": len(facts.probes) / _MANY_PROBES,
        # The share of requests that were refused or not found, from twenty requests on.
        "failed_requests": between(facts.failed / facts.requests, 0.3, 0.9) if facts.requests >= 20 else 0.0,
        # The busiest minute, from 120 requests to 600.
        "request_rate": between(max(facts.minutes.values(), default=0), 120, 600),
        # The worst session, as behavioral_analysis scored it.
        "session_score": between(facts.worst_score, 40, 100),
        # The share of sessions that it flagged.
        "flagged_sessions": facts.flagged / facts.sessions if facts.sessions else 0.0,
    }
    return score_of(strengths, WEIGHTS)


def network_of(text: str) -> Network:
    """Return what is listed for an address: an IPv4 address alone, of an IPv6 address its 64 bits, which one machine has whole.

    An IPv4 address in IPv6 clothes (mapped, or behind NAT64, RFC 6052) is that IPv4 address; a zone (`%eth0`) says nothing.

    Raises:
        ValueError: it is no address.
    """
    address = ip_address(text.strip().partition("%")[0])
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        elif address in _NAT64:
            address = ip_address(int(address) & 0xFFFF_FFFF)
        else:
            return IPv6Network((int(address) >> 64 << 64, 64))
    return IPv4Network(address)


def network_text(network: Network) -> str:
    """Return a network as it stands in the table: an address alone without its `/32`."""
    return str(network.network_address) if network.version == 4 and network.prefixlen == 32 else str(network)


def is_nobodys(network: Network) -> bool:
    """Say whether an address is nobody's on the Internet: loopback, private, link-local, shared (RFC 6598), reserved, multicast."""
    address = network.network_address
    return not address.is_global or address.is_multicast


def read_networks(texts: Sequence[str]) -> tuple[Network, ...]:
    """Return addresses and networks as networks; `192.0.2.7/24` means the network that it lies in.

    Raises:
        ValueError: one is neither.
    """
    return tuple(ip_network(text, strict=False) for text in texts)


_MANY_PROBES = 5
_NAT64 = IPv6Network("64:ff9b::/96")
