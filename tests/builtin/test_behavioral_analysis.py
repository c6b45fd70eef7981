"""Scores of sessions, flags, and bans that only `enforce` applies."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.application import HOUR, NOW, App, an_app
from systemprompt.builtin.sessions.behavior_scoring import WEIGHTS, Request, SessionFacts, score_session
from systemprompt.builtin.sessions.behavioral_analysis import BehavioralAnalysis, count_bans
from systemprompt.errors import ConfigurationError, ParameterError
from systemprompt.jobs.settings import HostTable

SECOND = 1_000_000
BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0"
PROBES = ("/.env", "/wp-login.php", "/.git/config", "/phpmyadmin/", "/a/../../etc/passwd", "/backup.sql")
HUMAN_GAPS = (3, 41, 7, 95, 12, 2, 60, 23)


def requests(paths: list[str], *, gaps: tuple[float, ...] = HUMAN_GAPS, status: int = 200) -> list[Request]:
    at, made = float(NOW - HOUR), []
    for number, path in enumerate(paths):
        made.append(Request(at=round(at), path=path, status=status))
        at += gaps[number % len(gaps)] * SECOND
    return made


def facts(made: list[Request], agent: str | None = BROWSER) -> SessionFacts:
    return SessionFacts(
        started_at=made[0].at if made else NOW,
        last_activity_at=made[-1].at if made else NOW,
        request_count=len(made),
        error_count=sum(1 for request in made if request.status >= 400),
        user_agent=agent,
        requests=made,
    )


PERSON = requests(["/", "/docs/a.html", "/", "/style.css", "/docs/b.html", "/"] * 6)
SCANNER = requests([f"{probe}?{number}" for number in range(20) for probe in PROBES], gaps=(0.05,), status=404)


def test_a_person_with_a_browser_scores_next_to_nothing() -> None:
    assert score_session(facts(PERSON)).value < 5


def test_a_scanner_scores_next_to_everything() -> None:
    score = score_session(facts(SCANNER, "sqlmap/1.8"))

    assert score.value > 95
    assert {"scan_paths", "request_rate", "burst", "error_share", "user_agent", "steady_pace"} <= set(score.signals)


@pytest.mark.parametrize(
    ("signal", "made", "agent"),
    [
        ("scan_paths", requests(["/", *PROBES]), BROWSER),
        ("request_rate", requests(["/"] * 200, gaps=(0.3, 0.1)), BROWSER),
        ("burst", [*requests(["/"] * 60, gaps=(0.01,))], BROWSER),
        ("error_share", requests(["/a"] * 10, status=403), BROWSER),
        ("user_agent", requests(["/"]), ""),
        ("user_agent", requests(["/"]), "python-requests/2.32"),
        ("path_entropy", requests([f"/page/{number}" for number in range(40)]), BROWSER),
        ("steady_pace", requests(["/a", "/"] * 30, gaps=(30,)), BROWSER),
        ("night_burst", requests(["/"] * 80, gaps=(0.5, 20)), BROWSER),
    ],
)
def test_each_signal_is_seen_and_none_goes_beyond_its_weight(signal: str, made: list[Request], agent: str) -> None:
    if signal == "night_burst":
        made = [replace(request, at=request.at - 7 * HOUR) for request in made]

    score = score_session(facts(made, agent))
    alone = score_session(facts(made, agent), {signal: WEIGHTS[signal]})

    assert signal in score.signals
    assert 0 < alone.value <= 100 * WEIGHTS[signal] + 0.01
    assert alone.value <= score.value


def test_an_agent_that_the_table_does_not_keep_is_no_signal() -> None:
    assert score_session(facts([], None)).value == 0
    assert score_session(facts([], "")).value > 0


@given(
    made=st.lists(
        st.builds(
            Request,
            at=st.integers(NOW - HOUR, NOW),
            path=st.sampled_from(["/", "/a", *PROBES]) | st.text(max_size=5),
            status=st.sampled_from([200, 301, 404, 500]),
        ),
        max_size=60,
    ).map(lambda made: sorted(made, key=lambda request: request.at)),
    agent=st.sampled_from([None, "", BROWSER, "curl/8", "nikto"]),
)
def test_a_score_is_a_share_of_a_hundred_and_a_probe_never_lowers_it(made: list[Request], agent: str | None) -> None:
    before = facts(made, agent)
    score = score_session(before, {"scan_paths": 0.6, "user_agent": 0.4})
    probed = replace(before, requests=[*made, Request(at=NOW, path="/.env?new", status=404)])

    assert 0 <= score_session(before).value <= 100
    assert score_session(probed, {"scan_paths": 0.6, "user_agent": 0.4}).value >= score.value


@pytest.fixture
def app(tmp_path: Path, postgres_or_none: str | None) -> Iterator[App]:
    with an_app(tmp_path, postgres_or_none) as app:
        fill(app)
        yield app


@pytest.fixture
def app_on_sqlite(tmp_path: Path) -> Iterator[App]:
    with an_app(tmp_path) as app:
        fill(app)
        yield app


@pytest.fixture
def app_on_postgres(tmp_path: Path, one_postgres: str) -> Iterator[App]:
    with an_app(tmp_path, one_postgres) as app:
        yield app


def fill(app: App) -> None:
    add(app, "s-person", "person", PERSON, BROWSER)
    add(app, "s-scanner", "scanner", SCANNER, "sqlmap/1.8")
    add(app, "s-scanner-2", "scanner", SCANNER, "sqlmap/1.8")
    add(app, "s-nobody", None, SCANNER, "sqlmap/1.8")


def add(app: App, session: str, user: str | None, made: list[Request], agent: str) -> None:
    if user is not None:
        app.db.execute("INSERT INTO users (id, created_at) VALUES (?, 0) ON CONFLICT (id) DO NOTHING", (user,))
    app.db.execute(
        "INSERT INTO user_sessions (id, user_id, started_at, last_activity_at, user_agent) VALUES (?, ?, ?, ?, ?)",
        (session, user, made[0].at, made[-1].at, agent),
    )
    app.db.execute_many(
        "INSERT INTO session_requests (session_id, requested_at, path, status) VALUES (?, ?, ?, ?)",
        [(session, request.at, request.path, request.status) for request in made],
    )


def statuses(app: App) -> dict[str, str]:
    return {row["id"]: row["status"] for row in app.db.fetch("SELECT id, status FROM users ORDER BY id")}


def test_without_enforce_sessions_are_flagged_and_nobody_is_banned(app: App) -> None:
    result = app.run(BehavioralAnalysis, settings={"batch_size": 2})

    assert result.message == "Scored 4 sessions: 3 flagged; would ban 1 user"
    assert (result.items_processed, result.items_failed) == (4, 0)
    assert result.dry_run
    assert statuses(app) == {"person": "active", "scanner": "active"}
    rows = {row["id"]: row for row in app.db.fetch("SELECT * FROM user_sessions")}
    assert rows["s-person"]["flagged_at"] is None
    assert rows["s-scanner"]["flagged_at"] == NOW
    assert json.loads(rows["s-scanner"]["flags"])["scan_paths"] == 1.0


def test_what_a_dry_run_would_ban_a_run_with_enforce_bans(app: App) -> None:
    app.run(BehavioralAnalysis)
    assert count_bans(app.context()) == 1

    kept = app.run(BehavioralAnalysis, enforce=True, parameters={"dry_run": "true"})
    assert (kept.message, kept.dry_run) == ("Scored 0 sessions: 0 flagged; would ban 1 user", True)

    result = app.run(BehavioralAnalysis, enforce=True)

    assert (result.message, result.dry_run) == ("Scored 0 sessions: 0 flagged, 1 user banned", False)
    row = app.db.fetch_one("SELECT * FROM users WHERE id = 'scanner'")
    assert row is not None
    assert (row["status"], row["banned_at"]) == ("banned", NOW)
    assert row["ban_reason"].startswith("behavior score 9")
    assert count_bans(app.context()) == 0


def test_a_person_who_is_let_back_in_is_not_banned_for_the_same_visit(app: App) -> None:
    app.run(BehavioralAnalysis, enforce=True)
    app.db.execute("UPDATE users SET status = 'active', banned_at = NULL")

    assert app.run(BehavioralAnalysis, enforce=True).message == "Scored 0 sessions: 0 flagged, 0 users banned"
    add(app, "s-again", "scanner", SCANNER, "sqlmap/1.8")
    assert app.run(BehavioralAnalysis, enforce=True).message == "Scored 1 session: 1 flagged, 1 user banned"


def test_a_session_is_scored_again_only_after_new_activity(app: App) -> None:
    app.run(BehavioralAnalysis)
    app.clock.advance(60)
    app.db.execute("UPDATE user_sessions SET last_activity_at = ? WHERE id = 's-scanner'", (NOW + SECOND,))

    assert (app.run(BehavioralAnalysis).message or "").startswith("Scored 1 session: 1 flagged")
    row = app.db.fetch_one("SELECT scored_at, flagged_at FROM user_sessions WHERE id = 's-scanner'")
    assert row == {"scored_at": NOW + 60 * SECOND, "flagged_at": NOW}, "the first flag's time stays"


def test_thresholds_are_parameters_and_bad_ones_are_refused(app: App) -> None:
    result = app.run(BehavioralAnalysis, parameters={"flag_at": "99.99", "ban_at": "100"})
    assert "would ban 0 users" in (result.message or "")

    for bad in ({"flag_at": "0"}, {"ban_at": "101"}, {"flag_at": "90", "ban_at": "80"}, {"flag_at": "nan"}):
        with pytest.raises(ParameterError, match="_at="):
            app.run(BehavioralAnalysis, parameters=bad)


def test_the_hosts_own_tables_are_scored_by_their_counters(app: App) -> None:
    app.db.execute("CREATE TABLE people (uid INTEGER PRIMARY KEY, state TEXT)")
    app.db.execute(
        "CREATE TABLE visits (pk INTEGER PRIMARY KEY, who INTEGER, began TEXT, seen TEXT, hits INTEGER, bad INTEGER,"
        " agent TEXT, score REAL, scored TEXT, acted TEXT)"
    )
    app.db.execute_many("INSERT INTO people VALUES (?, 'active')", [(1,), (2,), (3,)])
    app.db.execute_many(
        "INSERT INTO visits (pk, who, began, seen, hits, bad, agent) VALUES (?, ?, ?, ?, ?, ?, ?)",
        [
            (1, 1, "2026-01-14 10:00:00", "2026-01-14 10:20:00", 12, 0, BROWSER),
            (2, 2, "2026-01-14T10:00:00Z", "2026-01-14T10:01:00Z", 900, 880, "nikto"),
            (3, 3, "long ago", "2026-01-14T10:01:00Z", 900, 880, "nikto"),
        ],
    )
    tables = {
        "users": HostTable(table="people", columns={"id": "uid", "status": "state"}),
        "user_sessions": HostTable(
            table="visits",
            columns={
                "id": "pk", "user_id": "who", "started_at": "began", "last_activity_at": "seen", "request_count": "hits",
                "error_count": "bad", "user_agent": "agent", "behavior_score": "score", "scored_at": "scored",
                "ban_applied_at": "acted",
            },
            time_format="iso",
        ),
    }  # fmt: skip
    parameters = {"flag_at": "50", "ban_at": "70"}

    result = app.run(BehavioralAnalysis, settings={"tables": tables}, parameters=parameters, enforce=True)

    assert result.message == "Scored 2 sessions: 1 flagged, 1 user banned; 1 with dates that cannot be read"
    assert (result.items_processed, result.items_failed) == (2, 1)
    assert app.db.fetch("SELECT uid FROM people WHERE state = 'banned'") == [{"uid": 2}]
    assert app.db.fetch("SELECT acted FROM visits WHERE pk = 2") == [{"acted": "2026-01-14T10:30:00Z"}]


@pytest.mark.parametrize(
    "odd",
    [
        "x'fffe'",
        "CAST(x'fffe' AS TEXT)",
        "1e400",
        "'2026-13-45'",
        "9223372036854775807",
        "'99999-01-01'",
        "NULL",
        "''",
        "-1e18",
    ],
)
@pytest.mark.parametrize("column", ["began", "seen", "hits", "bad", "agent", "who"])
@pytest.mark.parametrize("time_format", ["iso", "micros", "seconds"])
def test_whatever_stands_in_one_row_of_the_host_the_others_are_scored(
    app_on_sqlite: App, odd: str, column: str, time_format: str
) -> None:
    moment = {"iso": "'2026-01-14T10:00:00Z'", "micros": str(NOW - HOUR), "seconds": str((NOW - HOUR) // SECOND)}[
        time_format
    ]
    app = app_on_sqlite
    app.db.execute("CREATE TABLE visits (pk, who, began, seen, hits, bad, agent, score, scored, acted)")
    good = {"who": "'w'", "began": moment, "seen": moment, "hits": "900", "bad": "880", "agent": "'nikto'"}
    for number, row in enumerate((good, good | {column: odd}, good)):
        app.db.execute(f"INSERT INTO visits (pk, {', '.join(row)}) VALUES ({number}, {', '.join(row.values())})")
    columns = {
        "id": "pk", "user_id": "who", "started_at": "began", "last_activity_at": "seen", "request_count": "hits",
        "error_count": "bad", "user_agent": "agent", "behavior_score": "score", "scored_at": "scored", "ban_applied_at": "acted",
    }  # fmt: skip
    app.db.execute("CREATE TABLE people (id, status)")
    tables = {
        "user_sessions": HostTable(table="visits", columns=columns, time_format=time_format),
        "users": HostTable(table="people"),
    }

    result = app.run(BehavioralAnalysis, settings={"tables": tables})

    assert result.succeeded
    assert app.db.fetch("SELECT pk FROM visits WHERE pk <> 1 AND score IS NULL") == []


@pytest.mark.parametrize("odd", ["infinity", "-infinity", "0044-03-15 BC", "20000-01-01", None])
@pytest.mark.parametrize("kind", ["timestamptz", "timestamp", "date"])
@pytest.mark.parametrize("column", ["started_at", "last_activity_at"])
def test_whatever_date_stands_in_one_row_of_the_host_the_others_are_scored(
    app_on_postgres: App, odd: str | None, kind: str, column: str
) -> None:
    app = app_on_postgres
    app.db.execute(
        f"CREATE TABLE visits (id uuid, user_id inet, started_at {kind}, last_activity_at {kind}, behavior_score numeric,"
        " request_count integer, error_count integer, user_agent text, scored_at timestamp, ban_applied_at date)"
    )
    app.db.execute("CREATE TABLE people (id inet, status text)")
    app.db.execute("INSERT INTO people VALUES ('192.0.2.1', 'active')")
    for number in range(3):
        app.db.execute(
            "INSERT INTO visits VALUES (gen_random_uuid(), '192.0.2.1', :at, :at, NULL, :number, 880, 'nikto')",
            {"at": "2026-01-14 10:00Z", "number": 900 + number},
        )
    app.db.execute(f"UPDATE visits SET {column} = CAST(CAST(? AS text) AS {kind}) WHERE request_count = 901", (odd,))
    tables = {"user_sessions": HostTable(table="public.visits"), "users": HostTable(table="people")}

    result = app.run(BehavioralAnalysis, settings={"tables": tables}, enforce=True, parameters={"ban_at": "70"})

    assert result.succeeded
    assert "1 user banned" in (result.message or "")
    assert app.db.fetch("SELECT 1 FROM visits WHERE request_count <> 901 AND behavior_score IS NULL") == []
    stamped = app.db.fetch(
        "SELECT DISTINCT CAST(scored_at AS text) AS at, ban_applied_at AS on FROM visits WHERE request_count = 900"
    )
    assert [(row["at"], str(row["on"])) for row in stamped] == [("2026-01-14 10:30:00", "2026-01-14")]


def test_a_host_table_without_a_place_for_scores_is_refused(app: App) -> None:
    app.db.execute("CREATE TABLE visits (id TEXT, user_id TEXT, started_at TEXT, last_activity_at TEXT)")

    with pytest.raises(ConfigurationError, match="no column 'behavior_score'"):
        app.run(BehavioralAnalysis, settings={"tables": {"user_sessions": HostTable(table="visits")}})
