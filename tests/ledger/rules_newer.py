"""Rules: what a program does with jobs whose policies only a newer release knows. It leaves them to the nodes of that release."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import pytest

from support.ledger_stage import EVERY_SECOND, ME, Stage, audit_finds_nothing, spec
from systemprompt.audit.auditor import audit
from systemprompt.audit.explain import explain
from systemprompt.errors import ConflictError
from systemprompt.jobs.policies import Policies
from systemprompt.ledger.records import JobSpec, QuarantineNotice, SyncReport


@dataclass(frozen=True, kw_only=True)
class PoliciesOfTomorrow(Policies):
    """Those of a release that has one policy more."""

    hurry: object = "now"

    def as_dict(self) -> dict[str, object]:
        return {**Policies.as_dict(self), "hurry": self.hurry}


@dataclass(frozen=True, kw_only=True)
class WildPolicies(Policies):
    """Those of a release in which a known policy has one choice more."""

    def as_dict(self) -> dict[str, object]:
        return {**Policies.as_dict(self), "overlap": "queue"}


def of_tomorrow(name: str, policies: Policies | None = None) -> JobSpec:
    return replace(spec(name, EVERY_SECOND), policies=policies or PoliciesOfTomorrow())


@contextmanager
def newer_program() -> Iterator[None]:
    """Let this program know all policies, as the newer release does, for the block."""
    with pytest.MonkeyPatch.context() as patch:
        for module in ("for_newer", "catalogue", "clockwork", "nodes"):
            patch.setattr(f"systemprompt.ledger.stored.{module}.unknown_in", lambda _: ())
        patch.setattr("systemprompt.jobs.policies.unknown_policies", lambda _: ())
        yield


def names(claimed: object) -> list[str]:
    return sorted(run.job_name for run in claimed)  # type: ignore[attr-defined]


class NewerRules:
    """One ledger, on which a newer release has written jobs that use what this one does not know."""

    @pytest.mark.parametrize("policies", [PoliciesOfTomorrow(), WildPolicies()], ids=["policy", "choice"])
    def test_a_job_with_an_unknown_policy_is_left_to_newer_nodes_and_the_others_go_on(
        self, stage: Stage, policies: Policies
    ) -> None:
        with newer_program():
            stage.declare(of_tomorrow("hurried", policies), spec("plain", EVERY_SECOND))
        before = stage.job("hurried").planned_through
        stage.wait(1)
        older = stage.engine.open_again()

        first = older.turn("a", stage.now, stage.decide, room=99)
        again = older.turn("a", stage.now, stage.decide, room=99)

        assert names(first.claimed) == ["plain"]
        assert first.more, "what it found is not looked at again"
        assert (again.claimed, again.more) == ((), False)
        assert again.next_due is not None
        assert again.next_due > stage.now, "it does not go round and round for what it leaves"
        assert stage.job("hurried").planned_through == before
        stage.finish(*first.claimed)
        with newer_program():
            newer = stage.engine.open_again()
            claimed = newer.turn("b", stage.now, stage.decide, room=99).claimed
            assert names(claimed) == ["hurried"]
            stage.finish(*claimed)
            audit_finds_nothing(stage.ledger, stage.now)
        stage.audited = False

    def test_what_is_left_to_newer_nodes_takes_no_room_from_what_stands_behind_it(self, stage: Stage) -> None:
        with newer_program():
            stage.declare(*(of_tomorrow(f"hurried{n}") for n in range(3)), spec("plain", EVERY_SECOND))
        stage.wait(1)
        older = stage.engine.open_again()

        turns = [older.turn("a", stage.now, stage.decide, room=1, patience=10_000_000) for _ in range(4)]

        assert [names(turn.claimed) for turn in turns] == [[], [], [], ["plain"]]
        stage.audited = False

    def test_a_waiting_run_of_such_a_job_is_begun_by_newer_nodes_alone(self, stage: Stage) -> None:
        with newer_program():
            stage.declare(of_tomorrow("hurried"), spec("plain", ""))
        stage.ask("hurried", change=ME)
        stage.ask("plain", change=ME)
        older = stage.engine.open_again()

        turns = [older.turn("a", stage.now, stage.decide, room=1) for _ in range(2)]

        assert [names(turn.claimed) for turn in turns] == [[], ["plain"]]
        with newer_program():
            assert names(stage.engine.open_again().turn("b", stage.now, stage.decide, room=1).claimed) == ["hurried"]
        stage.audited = False

    def test_a_run_planned_before_the_policy_came_is_left_too(self, stage: Stage) -> None:
        stage.declare(spec("job", ""))
        stage.ask("job", change=ME)
        with newer_program():
            stage.declare(replace(spec("job", ""), policies=PoliciesOfTomorrow()))

        older = stage.engine.open_again()

        assert older.turn("a", stage.now, stage.decide, room=9).claimed == ()
        stage.audited = False

    def test_a_job_comes_back_once_its_policies_are_known_again(self, stage: Stage) -> None:
        with newer_program():
            stage.declare(of_tomorrow("job"))
        stage.wait(1)
        older = stage.engine.open_again()
        assert older.turn("a", stage.now, stage.decide, room=9).claimed == ()
        with newer_program():
            stage.finish(*stage.turn(node="b").claimed, node="b")
            stage.declare(spec("job", EVERY_SECOND))
        stage.wait(1)

        assert names(older.turn("a", stage.now, stage.decide, room=9).claimed) == ["job"]
        stage.audited = False

    def test_an_older_release_does_not_take_turns_with_a_newer_one_in_writing_versions(self, stage: Stage) -> None:
        with newer_program():
            stage.declare(of_tomorrow("hurried"), spec("plain"))
        version = stage.job("hurried").version

        for _ in range(2):
            assert stage.declare(spec("hurried", EVERY_SECOND), spec("plain")) == SyncReport()
            with newer_program():
                assert stage.declare(of_tomorrow("hurried"), spec("plain")) == SyncReport()

        assert stage.job("hurried").version == version
        stage.audited = False

    def test_an_older_release_neither_retires_nor_quarantines_what_it_does_not_know(self, stage: Stage) -> None:
        with newer_program():
            stage.declare(of_tomorrow("hurried"), spec("plain"))
        bad = QuarantineNotice(name="hurried", source="file:jobs.py", error="TypeError: hurry")

        assert stage.declare(spec("plain")) == SyncReport()
        assert stage.declare(spec("plain"), quarantined=[bad]) == SyncReport()

        assert (stage.job("hurried").quarantine, stage.job("hurried").retired_at) == (None, None)
        stage.audited = False

    def test_a_file_that_only_a_newer_release_can_load_is_left_to_it_as_a_whole(self, stage: Stage) -> None:
        """Its other jobs are known, and yet have no code here."""
        everything = [
            of_tomorrow("hurried"),
            spec("beside", EVERY_SECOND),
            spec("plain", EVERY_SECOND, source="file:others.py"),
        ]
        with newer_program():
            stage.declare(*everything)
        bad = QuarantineNotice(name=None, source="file:jobs.py", error="TypeError: hurry")
        older = stage.engine.open_again()
        change = stage.change("older")

        report = older.sync_catalogue([everything[2]], [bad], stage.now, stage.decide, change)
        stage.wait(1)

        assert report == SyncReport()
        assert stage.ledger.quarantined_sources() == []
        with newer_program():  # and one that came into the file since
            stage.declare(*everything, spec("later", EVERY_SECOND))
        stage.wait(1)
        assert names(older.turn("a", stage.now, stage.decide, room=9).claimed) == ["plain"]
        assert names(older.turn("a", stage.now, stage.decide, room=9).claimed) == []
        with newer_program():
            newer = stage.engine.open_again()
            assert names(newer.turn("b", stage.now, stage.decide, room=9).claimed) == ["beside", "hurried", "later"]
        stage.audited = False

    def test_nothing_is_decided_by_hand_under_an_unknown_policy(self, stage: Stage) -> None:
        with newer_program():
            stage.declare(of_tomorrow("hurried"))

        with pytest.raises(ConflictError, match="has a policy that this release does not know: hurry"):
            stage.enable("hurried", False)
        with pytest.raises(ConflictError, match="has a policy that this release does not know: hurry"):
            stage.start("hurried")

        assert stage.job("hurried").enabled
        stage.audited = False

    def test_a_lost_run_of_such_a_job_is_settled_by_a_newer_node(self, stage: Stage) -> None:
        with newer_program():
            stage.declare(of_tomorrow("hurried"), spec("plain", EVERY_SECOND))
            stage.wait(1)
            assert len(stage.turn(node="b").claimed) == 2
        beat = next(node.beat for node in stage.ledger.living_nodes() if node.node_id == "b")

        by_older = stage.ledger.rescue("b", beat, stage.now, max_attempts=5)
        assert by_older is not None
        assert names(by_older) == ["plain"]
        assert "b" in {node.node_id for node in stage.ledger.living_nodes()}, "it is looked at again"

        with newer_program():
            by_newer = stage.ledger.rescue("b", beat, stage.now, max_attempts=5)
        assert by_newer is not None
        assert names(by_newer) == ["hurried"]
        stage.audited = False

    def test_a_node_that_leaves_jobs_to_newer_ones_says_so(self, stage: Stage) -> None:
        with newer_program():
            stage.declare(of_tomorrow("hurried"))
        stage.wait(1)
        older = stage.engine.open_again()
        older.turn("a", stage.now, stage.decide, room=9)

        assert older.beat("a", stage.now)

        node = stage.ledger.node("a")
        assert node is not None
        assert node.degraded == ("policies",)
        stage.audited = False

    def test_the_audit_says_that_it_cannot_judge_such_a_job_and_judges_the_others(self, stage: Stage) -> None:
        with newer_program():
            stage.declare(of_tomorrow("hurried"), spec("plain"))

        report = audit(stage.ledger, now=stage.now, alive=lambda _: None)

        assert [(one.kind, one.job_name) for one in report.findings] == [("unknown_policy", "hurried")]
        assert "version 1 has what this release does not know: hurry" in report.findings[0].sentence
        said = explain(stage.ledger, "hurried", stage.now + 1_000_000).sentences
        assert any("does not know what hurry means" in sentence for sentence in said)
        stage.audited = False
