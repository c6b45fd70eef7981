"""Which addresses are listed, why, and for how long."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.application import DAY, HOUR, NOW, App, an_app
from systemprompt.builtin.sessions.address_scoring import (
    WEIGHTS,
    AddressFacts,
    is_nobodys,
    network_of,
    network_text,
    score_address,
)
from systemprompt.builtin.sessions.malicious_ip_blacklist import MaliciousIpBlacklist
from systemprompt.errors import ParameterError
from systemprompt.jobs.settings import HostTable

MINUTE = 60_000_000
PROBES = ("/.env", "/wp-login.php", "/.git/config", "/phpmyadmin/", "/etc/passwd", "/backup.sql")
BAD, ALSO_BAD, GOOD = "93.184.216.34", "2606:4700:10::6816:1", "198.41.0.4"


@pytest.fixture
def app(tmp_path: Path, postgres_or_none: str | None) -> Iterator[App]:
    with an_app(tmp_path, postgres_or_none) as app:
        yield app


def visit(app: App, address: str | None, *, at: int = NOW - HOUR, bad: bool = True, score: float | None = None) -> None:
    number = app.db.fetch("SELECT count(*) AS n FROM user_sessions")[0]["n"]
    app.db.execute(
        "INSERT INTO user_sessions (id, started_at, last_activity_at, ip_address, behavior_score) VALUES (?, ?, ?, ?, ?)",
        (f"s{number:03}", at - 10 * MINUTE, at, address, score),
    )
    paths, status = (PROBES, 404) if bad else (("/", "/docs", "/style.css"), 200)
    app.db.execute_many(
        "INSERT INTO session_requests (session_id, requested_at, path, status) VALUES (?, ?, ?, ?)",
        [(f"s{number:03}", at - index * 1000, paths[index % len(paths)], status) for index in range(30)],
    )


def listed(app: App) -> dict[str, Any]:
    return {row["network"]: row for row in app.db.fetch("SELECT * FROM ip_blacklist ORDER BY network")}


def run(app: App, *, enforce: bool = True, **parameters: Any) -> Any:
    return app.run(MaliciousIpBlacklist, app.context(enforce=enforce, parameters=parameters))


def test_a_scanner_is_listed_with_its_reason_and_a_visitor_is_not(app: App) -> None:
    visit(app, BAD)
    visit(app, GOOD, bad=False)

    result = run(app)

    assert result.message == f"Scored 2 addresses: 1 listed (1 new, 0 free again); worst: {BAD} (83.5)"
    row = listed(app)[BAD]
    assert (row["score"], row["reason"], row["listed_by"]) == (83.5, "failed_requests, scan_paths", "job")
    assert json.loads(row["signals"]) == {"scan_paths": 1.0, "failed_requests": 1.0}
    assert (row["first_seen_at"], row["last_seen_at"]) == (NOW - HOUR - 10 * MINUTE, NOW - HOUR)
    assert row["expires_at"] == NOW - HOUR + 7 * DAY


def test_without_enforce_it_only_says_what_it_would_list(app: App) -> None:
    visit(app, BAD)

    for result in (run(app, enforce=False), run(app, dry_run="true")):
        assert (result.message, result.dry_run) == (f"Scored 1 address: would list 1; worst: {BAD} (83.5)", True)
    assert listed(app) == {}


def test_the_same_sessions_lead_to_the_same_rows_and_nothing_is_written_twice(app: App) -> None:
    visit(app, BAD)
    run(app)
    before = listed(app)
    app.watch("ip_blacklist", "network")
    app.clock.advance(60)

    assert run(app).message.startswith("Scored 1 address: 1 listed (0 new, 0 free again)")

    assert listed(app) == before
    assert app.touched() == []


def test_new_evidence_keeps_the_first_sight_and_moves_the_expiry(app: App) -> None:
    visit(app, BAD, at=NOW - 23 * HOUR)
    run(app)
    app.clock.advance(20 * 3600)
    visit(app, BAD, at=NOW + 19 * HOUR)

    run(app)

    row = listed(app)[BAD]
    assert row["first_seen_at"] == NOW - 23 * HOUR - 10 * MINUTE
    assert row["expires_at"] == NOW + 19 * HOUR + 7 * DAY


def test_who_has_been_quiet_is_free_again_and_what_others_listed_stays(app: App) -> None:
    visit(app, BAD)
    app.db.execute(
        "INSERT INTO ip_blacklist (network, score, reason, first_seen_at, last_seen_at) VALUES (?, 100, 'mine', 0, 0)",
        (GOOD,),
    )
    visit(app, GOOD)
    run(app)
    mine = listed(app)[GOOD]
    assert mine["reason"] == "mine"
    app.clock.advance((7 * DAY - HOUR) / 1e6 - 1)
    assert run(app).message == "Scored 0 addresses: 0 listed (0 new, 0 free again)"
    app.clock.advance(1)

    assert run(app).message == "Scored 0 addresses: 0 listed (0 new, 1 free again)"
    assert listed(app) == {GOOD: mine}


def test_loopback_and_private_addresses_are_never_listed_unless_asked_for(app: App) -> None:
    private = [
        "127.0.0.1",
        "10.1.2.3",
        "192.168.0.9",
        "100.64.1.1",
        "::1",
        "fe80::1%eth0",
        "fd00::5",
        "::ffff:10.0.0.1",
    ]
    for address in private:
        visit(app, address)

    assert run(app).message == "Scored 0 addresses: 0 listed (0 new, 0 free again)"
    assert run(app, enforce=False, block_private="true").message.startswith("Scored 8 addresses: would list 8")


def test_allowed_networks_are_never_listed_and_an_address_that_becomes_allowed_is_freed(app: App) -> None:
    visit(app, BAD)
    visit(app, ALSO_BAD)
    run(app)
    assert set(listed(app)) == {BAD, "2606:4700:10::/64"}

    result = run(app, allow=f"93.184.216.0/24, {ALSO_BAD}")

    assert result.message == "Scored 0 addresses: 0 listed (0 new, 2 free again)"
    assert listed(app) == {}
    with pytest.raises(ParameterError, match=r"allow: 'nobody' does not appear"):
        run(app, allow="nobody")


def test_one_machine_with_many_ipv6_addresses_is_one_network(app: App) -> None:
    for number in range(3):
        visit(app, f"2606:4700:10::{number + 1:x}:abcd")

    run(app)

    assert list(listed(app)) == ["2606:4700:10::/64"]


@pytest.mark.parametrize(
    ("text", "network"),
    [
        ("93.184.216.34", "93.184.216.34"),
        (" 2606:4700:10:0:1:2:3:4 ", "2606:4700:10::/64"),
        ("::ffff:93.184.216.34", "93.184.216.34"),
        ("64:ff9b::5db8:d822", "93.184.216.34"),
        ("fe80::1%eth0", "fe80::/64"),
    ],
)
def test_an_address_is_read_as_what_it_means(text: str, network: str) -> None:
    assert network_text(network_of(text)) == network


@given(st.ip_addresses())
def test_every_address_has_a_network_that_reads_back(address: Any) -> None:
    network = network_of(str(address))

    assert network_of(str(network.network_address)) == network or network.version == 6
    assert is_nobodys(network) in (True, False)


def test_what_cannot_be_read_is_counted_and_the_rest_goes_on(app: App) -> None:
    visit(app, "not an address")
    visit(app, "")
    visit(app, None)
    visit(app, BAD)

    result = run(app)

    assert result.message.endswith("; 2 sessions with an address or a date that cannot be read")
    assert (result.items_processed, result.items_failed) == (1, 2)
    assert set(listed(app)) == {BAD}


def test_only_the_window_counts(app: App) -> None:
    visit(app, BAD, at=NOW - 25 * HOUR)

    assert run(app).items_processed == 0
    assert run(app, enforce=False, window_hours="26").items_processed == 1


def test_batches_change_nothing_of_the_outcome(app: App) -> None:
    for number in range(9):
        visit(app, f"93.184.216.{number}")

    ctx = app.context(enforce=True, settings={"batch_size": 2})

    assert (app.run(MaliciousIpBlacklist, ctx).message or "").startswith("Scored 9 addresses: 9 listed (9 new")
    assert len(listed(app)) == 9


def test_the_hosts_own_sessions_do_with_what_columns_they_have(app: App) -> None:
    app.db.execute(
        "CREATE TABLE visits (id INTEGER, ip TEXT, came TEXT, seen TEXT, errors INTEGER, hits INTEGER, score REAL)"
    )
    app.db.execute(
        "INSERT INTO visits VALUES (1, ?, '2026-01-14T09:00:00Z', '2026-01-14T10:00:00Z', 400, 400, 100)", (BAD,)
    )
    columns = {"ip_address": "ip", "started_at": "came", "last_activity_at": "seen"}
    more = {"error_count": "errors", "request_count": "hits", "behavior_score": "score"}
    host = HostTable(table="visits", columns={**columns, **more}, time_format="iso")

    app.run(MaliciousIpBlacklist, app.context(enforce=True, settings={"tables": {"user_sessions": host}}))

    assert listed(app)[BAD]["reason"] == "failed_requests, session_score"


@pytest.mark.parametrize("bad", ["0", "101", "-1", "much"])
def test_a_threshold_outside_the_scale_is_refused(app: App, bad: str) -> None:
    with pytest.raises(ParameterError, match=bad):
        run(app, list_at=bad)


def facts(**given: Any) -> AddressFacts:
    return AddressFacts(first_at=0, last_at=0, **given)


@pytest.mark.parametrize(
    ("signal", "seen"),
    [
        ("scan_paths", {"probes": set("abcde")}),
        ("failed_requests", {"requests": 100, "failed": 100}),
        ("session_score", {"worst_score": 100.0}),
        ("flagged_sessions", {"sessions": 2, "flagged": 2}),
    ],
)
def test_each_signal_goes_up_to_its_weight(signal: str, seen: dict[str, Any]) -> None:
    score = score_address(facts(**seen))

    assert score.signals == {signal: 1.0}
    assert score.value == pytest.approx(100 * WEIGHTS[signal])


def test_no_signal_alone_lists_an_address() -> None:
    assert max(WEIGHTS.values()) * 100 < MaliciousIpBlacklist.parameters["list_at"]


def test_a_crowd_behind_one_address_dilutes_what_one_of_them_did() -> None:
    crowd = facts(sessions=200, flagged=1, requests=20_000, failed=300, worst_score=60.0)

    assert score_address(crowd).value < 30
