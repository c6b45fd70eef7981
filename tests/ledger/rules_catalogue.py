"""Jobs and versions: what code and profile say becomes what the ledger plans by, and every state stays readable."""

from __future__ import annotations

import pytest

from support.ledger_stage import EVERY_SECOND, HOURLY, START, Stage, at, spec, together
from systemprompt.errors import JobNotFound
from systemprompt.ledger.records import Change, QuarantineNotice, SyncReport

BROKEN = QuarantineNotice(name="job", source="file:jobs.py", error="SyntaxError: line 3")
MODULE = QuarantineNotice(name=None, source="file:jobs.py", error="ImportError: no module named 'x'")


class CatalogueRules:
    """What `sync_catalogue` and `set_enabled` write."""

    def test_a_new_job_is_owed_nothing_of_the_time_before_it_came(self, stage: Stage) -> None:
        stage.wait(90)
        assert stage.declare(spec("job", description="d", tags=("x", "y"), owner="me")).added == ("job",)
        job = stage.ledger.job("job")
        assert job is not None
        assert (job.description, job.tags, job.owner, job.source) == ("d", ("x", "y"), "me", "file:jobs.py")
        assert (job.planned_through, job.next_due, job.next_run) == (at(90), at(120), at(120))
        assert (job.enabled, job.running, job.run_count, job.last_run, job.last_status) == (True, 0, 0, None, None)
        assert job.created_at == job.updated_at == job.pruned_through == at(90)
        (version,) = stage.ledger.versions(job.job_id)
        assert (version.version, version.valid_from, version.valid_until, version.why) == (1, at(90), None, "")
        assert (version.cause, version.actor, version.noticed_by) == ("added", "code", "a test")

    def test_a_synchronisation_that_changes_nothing_writes_nothing(self, stage: Stage) -> None:
        stage.declare(spec("job"), spec("other", tags=("x",)), quarantined=[MODULE])
        other = stage.engine.open_again()
        marker = other.change_marker()
        stage.wait(1_000)
        assert stage.declare(spec("job"), spec("other", tags=("x",)), quarantined=[MODULE]) == SyncReport()
        assert other.change_marker() == marker

    @pytest.mark.parametrize(
        "change",
        [{"schedule": HOURLY}, {"time_zone": "Europe/Berlin"}, {"on_lost": "rerun"}, {"enabled": False}],
        ids=["schedule", "zone", "policy", "enabled"],
    )
    def test_a_changed_schedule_zone_policy_or_switch_is_a_new_version(
        self, stage: Stage, change: dict[str, object]
    ) -> None:
        stage.declare(spec("job"))
        stage.wait(90)
        assert stage.declare(spec("job", **change)).changed == ("job",)  # type: ignore[arg-type]  # any of spec's arguments
        first, second = stage.ledger.versions(stage.job_id("job"))
        assert (first.version, first.valid_until, second.version) == (1, at(90), 2)
        assert (second.valid_from, second.valid_until) == (at(90), None)
        assert (second.cause, second.actor, second.noticed_by) == ("changed", "code", "a test")
        assert second.why == ("policies" if "on_lost" in change else next(iter(change)))
        assert stage.accounted("job") == 1, "planned through now under the old version first"

    @pytest.mark.parametrize("why", ["back again", "changed: schedule", "retired", "because of the quarantine"])
    def test_nothing_is_read_out_of_what_people_say(self, stage: Stage, why: str) -> None:
        stage.declare(spec("job"))
        stage.wait(90)
        stage.enable("job", False, why)
        stage.wait(90)
        stage.enable("job", True, why)
        versions = stage.ledger.versions(stage.job_id("job"))
        assert [(one.cause, one.why) for one in versions] == [("added", ""), ("disabled", why), ("enabled", why)]
        stage.sound()

    @pytest.mark.parametrize(
        ("before", "after", "actor"),
        [
            ({}, {"schedule": HOURLY}, "code"),
            ({"profile_sets": ("schedule",)}, {"schedule": HOURLY, "profile_sets": ("schedule",)}, "profile"),
            ({}, {"schedule": HOURLY, "profile_sets": ("schedule",)}, "profile"),
            ({"profile_sets": ("schedule",)}, {"schedule": HOURLY}, "profile"),
            ({"profile_sets": ("enabled",)}, {"schedule": HOURLY, "profile_sets": ("enabled",)}, "code"),
            ({}, {"timeout_s": 5, "profile_sets": ("timeout_s",)}, "profile"),
            ({"timeout_s": 4}, {"timeout_s": 5, "profile_sets": ("enabled", "on_lost")}, "code"),
            ({"source": "command:profile.yaml"}, {"schedule": HOURLY, "source": "command:profile.yaml"}, "profile"),
            ({"source": "given:app"}, {"schedule": HOURLY, "source": "given:app"}, "test"),
        ],
    )
    def test_a_change_is_the_doing_of_the_code_the_profile_or_the_program_that_gave_the_job(
        self, stage: Stage, before: dict[str, object], after: dict[str, object], actor: str
    ) -> None:
        stage.declare(spec("job", **before))  # type: ignore[arg-type]  # any of spec's arguments
        stage.declare(spec("job", **after))  # type: ignore[arg-type]  # as above
        second = stage.ledger.versions(stage.job_id("job"))[1]
        assert (second.cause, second.actor, second.noticed_by) == ("changed", actor, "a test")

    @pytest.mark.parametrize(
        ("more", "actor"),
        [
            ({}, "code"),
            ({"profile_sets": ("enabled",)}, "code"),
            ({"source": "command:profile.yaml"}, "profile"),
            ({"source": "given:app"}, "test"),
        ],
    )
    def test_a_job_is_added_by_whoever_made_it(self, stage: Stage, more: dict[str, object], actor: str) -> None:
        stage.declare(spec("job", **more))  # type: ignore[arg-type]  # any of spec's arguments
        (version,) = stage.ledger.versions(stage.job_id("job"))
        assert (version.cause, version.actor, version.noticed_by) == ("added", actor, "a test")

    def test_a_duration_is_kept_alike_however_it_was_written(self, stage: Stage) -> None:
        stage.declare(spec("a", timeout_s=60), spec("b", timeout_s=60.0), spec("c", timeout_s=True))
        kept = {version.job_id: version.policies["timeout_s"] for version in stage.ledger.versions()}
        assert [repr(kept[stage.job_id(name)]) for name in "abc"] == ["60.0", "60.0", "1.0"]
        assert stage.declare(spec("c", timeout_s=1), spec("b", timeout_s=60), spec("a", timeout_s=60.0)) == SyncReport()

    def test_a_changed_description_is_no_new_version(self, stage: Stage) -> None:
        stage.declare(spec("job"))
        assert stage.declare(spec("job", description="better")).changed == ("job",)
        assert len(stage.ledger.versions()) == 1

    def test_a_job_that_leaves_while_a_lost_run_waits_to_run_again_shows_it_as_cancelled(self, stage: Stage) -> None:
        stage.declare(spec("job", EVERY_SECOND, on_lost="rerun"))
        stage.wait(1)
        claimed = stage.claim_one()
        stage.ledger.rescue("a", 0, stage.now, max_attempts=5)
        stage.declare()
        job = stage.ledger.job("job")
        assert job is not None
        assert (job.last_run_id, job.last_status, job.last_error) == (claimed.run_id, "cancelled", "retired")

    def test_a_job_that_left_is_retired_and_owed_nothing_while_it_is_away(self, stage: Stage) -> None:
        stage.declare(spec("job"), spec("stays", ""))
        stage.wait(90)
        assert stage.declare(spec("stays", "")).retired == ("job",)
        assert [job.name for job in stage.ledger.jobs()] == ["stays"]
        assert [job.name for job in stage.ledger.jobs(retired=True)] == ["job", "stays"]
        job = stage.ledger.job("job")
        assert job is not None
        assert (job.retired_at, job.next_due, job.next_run) == (at(90), None, None)
        assert stage.ledger.versions(job.job_id)[0].valid_until == at(90)
        stage.wait(3_600)
        stage.turn()
        assert stage.declare(spec("job"), spec("stays", "")).changed == ("job",)
        stage.wait(60)
        stage.turn()
        assert stage.accounted("job") == 2
        assert [version.valid_from for version in stage.ledger.versions(job.job_id)] == [START, at(3_690)]
        assert [version.cause for version in stage.ledger.versions(job.job_id)] == ["added", "returned"]

    def test_a_job_of_a_source_that_only_another_process_can_see_stays_as_it_is(self, stage: Stage) -> None:
        stage.declare(spec("job"), spec("theirs", source="given:app"))
        notice = QuarantineNotice(name="theirs", source="command:profile.yaml", error="there is no such job")
        assert stage.declare(spec("job"), quarantined=[notice], keep="given:") == SyncReport()
        assert stage.declare(keep="given:").retired == ("job",)
        stage.wait(90)
        assert stage.accounted("theirs") == 0
        assert stage.declare().retired == ("theirs",)

    def test_a_queued_run_of_a_job_that_left_is_cancelled_and_a_running_one_may_end(self, stage: Stage) -> None:
        stage.declare(spec("queued", EVERY_SECOND), spec("running", EVERY_SECOND))
        stage.wait(1)
        stage.turn(room=0)
        running = next(run for run in stage.turn().claimed if run.job_name == "running")
        queued = stage.runs("queued")[0]
        stage.finish(*[])
        assert queued.status == "running"
        stage.declare(spec("third", EVERY_SECOND, catch_up="all"))
        stage.wait(2)
        stage.turn(room=1)
        stage.declare()
        assert [run.status for run in stage.runs("third")] == ["running", "cancelled"]
        assert stage.runs("third")[1].reason == "retired"
        assert stage.finish(running).closed == (running.run_id,)
        stage.audited = False  # runs of retired jobs are open still

    def test_a_job_that_cannot_be_loaded_keeps_its_history_and_shows_its_error(self, stage: Stage) -> None:
        stage.declare(spec("job"))
        assert stage.declare(quarantined=[BROKEN]).quarantined == ("job",)
        job = stage.ledger.job("job")
        assert job is not None
        assert (job.quarantine_error, job.retired_at, job.next_run) == ("SyntaxError: line 3", None, None)
        assert stage.declare(quarantined=[BROKEN]) == SyncReport()
        worse = QuarantineNotice(name="job", source="file:jobs.py", error="worse")
        assert stage.declare(quarantined=[worse]).quarantined == ("job",)
        assert stage.declare(spec("job")).released == ("job",)
        job = stage.ledger.job("job")
        assert job is not None
        assert job.quarantine_error is None
        assert job.next_run is not None

    def test_a_module_that_cannot_be_loaded_holds_every_job_last_seen_there(self, stage: Stage) -> None:
        stage.declare(spec("one"), spec("two"), spec("elsewhere", source="file:other.py"))
        report = stage.declare(spec("elsewhere", source="file:other.py"), quarantined=[MODULE])
        assert (report.quarantined, report.retired) == (("one", "two"), ())
        assert stage.ledger.quarantined_sources() == [MODULE]
        report = stage.declare(spec("one"), spec("elsewhere", source="file:other.py"))
        assert (report.released, report.retired) == (("one",), ("two",))
        assert stage.ledger.quarantined_sources() == []

    def test_a_job_nobody_has_seen_whole_is_shown_with_its_error_and_owes_nothing(self, stage: Stage) -> None:
        assert stage.declare(quarantined=[BROKEN]).quarantined == ("job",)
        stage.wait(3_600)
        stage.turn()
        job = stage.ledger.job("job")
        assert job is not None
        assert (job.schedule, job.quarantine, job.quarantine_error) == ("", "load", "SyntaxError: line 3")
        (version,) = stage.ledger.versions(job.job_id)
        assert (version.cause, version.actor, version.noticed_by) == ("quarantined", "code", "a test")
        assert stage.declare(spec("job")).released == ("job",)
        stage.wait(60)
        stage.turn()
        assert stage.accounted("job") == 1

    def test_disabling_and_enabling_are_versions_with_actor_and_why(self, stage: Stage) -> None:
        stage.declare(spec("job"))
        stage.wait(90)
        view = stage.ledger.set_enabled("job", False, stage.now, stage.decide, Change(actor="cli:me", why="too loud"))
        assert (view.enabled, view.declared_enabled, view.next_run, view.version) == (False, True, None, 2)
        stage.enable("job", False)
        stage.wait(600)
        stage.enable("job", True)
        one, two, three = stage.ledger.versions(stage.job_id("job"))
        assert (one.enabled, two.enabled, three.enabled) == (True, False, True)
        assert (two.actor, two.why, two.valid_from, two.valid_until) == ("cli:me", "too loud", at(90), at(690))
        assert [version.cause for version in (one, two, three)] == ["added", "disabled", "enabled"]
        assert (two.noticed_by, three.noticed_by) == ("", ""), "a person acted"
        (gap,) = [one for one in stage.ranges("job") if one.reason == "disabled"]
        assert (gap.first_at, gap.last_at, gap.version) == (at(120), at(660), 2)

    def test_the_last_writer_of_enabled_wins(self, stage: Stage) -> None:
        stage.declare(spec("job"))
        stage.enable("job", False)
        assert stage.declare(spec("job")) == SyncReport(), "the code said nothing new: the command holds"
        assert stage.declare(spec("job", description="new")).changed == ("job",)
        job = stage.ledger.job("job")
        assert job is not None
        assert job.enabled is False
        stage.declare(spec("job", enabled=False, description="new"))
        stage.declare(spec("job", enabled=True, description="new"))
        job = stage.ledger.job("job")
        assert job is not None
        assert job.enabled is True, "the code changed its own word after the command"

    def test_enabling_a_job_nobody_knows_offers_the_nearest(self, stage: Stage) -> None:
        stage.declare(spec("database_cleanup"), spec("retired"))
        stage.declare(spec("database_cleanup"))
        with pytest.raises(JobNotFound) as refused:
            stage.enable("databse_cleanup", False)
        assert refused.value.suggestion == "database_cleanup"
        with pytest.raises(JobNotFound):
            stage.enable("retired", True)

    def test_a_change_while_the_clock_is_behind_the_cursor_keeps_versions_in_order(self, stage: Stage) -> None:
        stage.declare(spec("job"))
        stage.wait(600)
        stage.finish(*stage.turn().claimed)
        stage.clock.step(-300)
        stage.declare(spec("job", HOURLY))
        stage.enable("job", False)
        stage.enable("job", True)
        versions = stage.ledger.versions(stage.job_id("job"))
        assert [version.valid_from for version in versions] == [START, at(600), at(600), at(600)]
        stage.clock.step(300)

    def test_two_processes_that_synchronise_at_once_agree(self, stage: Stage) -> None:
        handles = [stage.engine.open_again() for _ in range(3)]
        specs = [spec(f"job{n}") for n in range(10)]
        reports: list[SyncReport] = []
        together(
            *(
                lambda one=one: reports.append(
                    one.sync_catalogue(specs, [], stage.now, stage.decide, Change(actor="x"))
                )
                for one in handles
            )
        )
        assert sum(len(report.added) for report in reports) == 10
        assert len(stage.ledger.versions()) == 10
