"""How suspicious a session looks. Pure: what it did in, a score out, with the weights as data.

Each signal has a strength from 0 to 1 and a weight from 0 to 1. The score is 100 * (1 - product of (1 - weight * strength)): every
signal adds, none can take away, no single one goes beyond its weight, and the order does not matter (the "noisy or" of Bayesian
networks, Pearl 1988, which takes the signals as independent).
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from systemprompt.clock import SECOND, Instant

__all__ = ["WEIGHTS", "Request", "Score", "SessionFacts", "between", "is_probe", "score_of", "score_session"]

WEIGHTS: Mapping[str, float] = MappingProxyType(
    {
        "scan_paths": 0.65,
        "request_rate": 0.45,
        "burst": 0.35,
        "error_share": 0.40,
        "user_agent": 0.35,
        "path_entropy": 0.25,
        "steady_pace": 0.25,
        "night_burst": 0.10,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request: when, the path without its host, the HTTP status."""

    at: Instant
    path: str
    status: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionFacts:
    """What a session did. The counters tell of all its requests; `requests` may hold only the latest, in order of time.

    user_agent         None where the table does not keep it, empty where the client sent none
    utc_offset_hours   of the zone whose nights count
    """

    started_at: Instant
    last_activity_at: Instant
    request_count: int
    error_count: int
    user_agent: str | None
    requests: Sequence[Request] = ()
    utc_offset_hours: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """0 to 100, and the strength of each signal that was seen at all."""

    value: float
    signals: Mapping[str, float] = field(default_factory=dict)


def score_session(facts: SessionFacts, weights: Mapping[str, float] = WEIGHTS) -> Score:
    """Score one session. A session without requests scores what its user agent alone does."""
    return score_of({name: signal(facts) for name, signal in _SIGNALS.items()}, weights)


def score_of(strengths: Mapping[str, float], weights: Mapping[str, float]) -> Score:
    """Join signals, each with its strength, to one score."""
    innocent = math.prod(1 - weights.get(name, 0.0) * strength for name, strength in strengths.items())
    return Score(
        value=round(100 * (1 - innocent), 2),
        signals={name: round(strength, 3) for name, strength in strengths.items() if strength > 0},
    )


def is_probe(path: str) -> bool:
    """Say whether only somebody who looks for holes asks for this path."""
    return _PROBE.search(path) is not None


def between(value: float, low: float, high: float) -> float:
    """Return 0 up to `low`, 1 from `high` on, and a straight line between."""
    return min(1.0, max(0.0, (value - low) / (high - low)))


def _request_rate(facts: SessionFacts) -> float:
    """Requests a minute over the whole session: a person stays under 30, a script goes beyond 240."""
    minutes = max((facts.last_activity_at - facts.started_at) / (60 * SECOND), 1 / 6)
    return between(facts.request_count / minutes, 30, 240) if facts.request_count >= 20 else 0.0


def _burst(facts: SessionFacts) -> float:
    """The most requests in any ten seconds; a page with its parts makes up to 25."""
    most, first = 0, 0
    for last, request in enumerate(facts.requests):
        while request.at - facts.requests[first].at > 10 * SECOND:
            first += 1
        most = max(most, last - first + 1)
    return between(most, 25, 100)


def _error_share(facts: SessionFacts) -> float:
    """The share of requests that were refused or not found, from five requests on."""
    if facts.request_count < 5:
        return 0.0
    return between(facts.error_count / facts.request_count, 0.15, 0.7)


def _scan_paths(facts: SessionFacts) -> float:
    """Different paths that only somebody who looks for holes asks for; three are certainty."""
    return min(1.0, len({request.path for request in facts.requests if is_probe(request.path)}) / 3)


def _path_entropy(facts: SessionFacts) -> float:
    """How evenly requests spread over paths: people come back to some, crawlers visit each once."""
    total = len(facts.requests)
    if total < 20:
        return 0.0
    counts = Counter(request.path for request in facts.requests)
    entropy = -sum(count / total * math.log2(count / total) for count in counts.values())
    return between(entropy / math.log2(total), 0.85, 1.0)


def _steady_pace(facts: SessionFacts) -> float:
    """Gaps that hardly vary (coefficient of variation below 0.3): a timer, and no person."""
    gaps = [after.at - before.at for before, after in zip(facts.requests, facts.requests[1:], strict=False)]
    if len(gaps) < 20:
        return 0.0
    mean = sum(gaps) / len(gaps)
    if mean <= 0:
        return 0.0
    deviation = math.sqrt(sum((gap - mean) ** 2 for gap in gaps) / len(gaps))
    return 1.0 - between(deviation / mean, 0.05, 0.3)


def _user_agent(facts: SessionFacts) -> float:
    """Attack tools, then no name at all, then scripting libraries; declared crawlers a little."""
    if facts.user_agent is None:
        return 0.0
    agent = facts.user_agent.strip().casefold()
    if not agent:
        return 0.7
    for words, strength in _AGENTS:
        if any(word in agent for word in words):
            return strength
    return 0.0


def _night_burst(facts: SessionFacts) -> float:
    """The share of requests between one and five at night, from 50 requests on."""
    if len(facts.requests) < 50:
        return 0.0
    hours = ((request.at / (3600 * SECOND) + facts.utc_offset_hours) % 24 for request in facts.requests)
    return between(sum(1 for hour in hours if 1 <= hour < 5) / len(facts.requests), 0.5, 1.0)


_SIGNALS = MappingProxyType(
    {
        "scan_paths": _scan_paths,
        "request_rate": _request_rate,
        "burst": _burst,
        "error_share": _error_share,
        "user_agent": _user_agent,
        "path_entropy": _path_entropy,
        "steady_pace": _steady_pace,
        "night_burst": _night_burst,
    }
)

_AGENTS: tuple[tuple[tuple[str, ...], float], ...] = (
    (("sqlmap", "nikto", "nmap", "masscan", "zgrab", "gobuster", "dirbuster", "nuclei", "wpscan", "hydra"), 1.0),
    (("python-requests", "python-urllib", "aiohttp", "httpx", "scrapy", "go-http-client", "libwww", "wget"), 0.5),
    (("curl", "okhttp", "java/", "node-fetch", "axios", "headless"), 0.4),
    (("bot", "crawler", "spider"), 0.2),
)

_PROBE = re.compile(
    r"""
    /\.(?:env|git|svn|hg|aws|ssh|htaccess|htpasswd|ds_store|vscode)\b   # dot files that leak
    | /(?:wp-(?:login|admin|config|includes)|xmlrpc\.php|phpmyadmin|pma/|adminer|cgi-bin/)
    | /(?:actuator|server-status|solr/|jenkins/|manager/html|console/|_ignition|vendor/phpunit)
    | \.\./ | %2e%2e | /etc/passwd | win\.ini                           # climbing out of the folder
    | union(?:\+|%20|\s)+(?:all(?:\+|%20|\s)+)?select | <script | %3cscript
    | \.(?:bak|old|sql|swp|pem|key)(?:$|\?)                             # left-over files
    """,
    re.IGNORECASE | re.VERBOSE,
)
