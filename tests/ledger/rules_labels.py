"""Labels: a node runs only what it may, and what it may not run stands in nobody's way."""

from __future__ import annotations

import random

import pytest

from support.ledger_stage import EVERY_MINUTE, EVERY_SECOND, ME, Stage, at, node, spec
from systemprompt.ledger.records import ManualStart, Turn
from systemprompt.node_errors import LabelsLacking


def names(turn: Turn) -> list[str]:
    return sorted(run.job_name for run in turn.claimed)


class LabelRules:
    """Which node runs what. The nodes a and b have no labels."""

    def join_with(self, stage: Stage, name: str, *labels: str) -> None:
        stage.ledger.join(node(name, stage.now, labels=labels))

    def test_a_node_and_a_job_are_shown_with_their_labels(self, stage: Stage) -> None:
        self.join_with(stage, "g", "eu", "gpu")
        stage.declare(spec("train", runs_on=("gpu", "eu")), spec("any"))
        (found,) = [one for one in stage.ledger.living_nodes() if one.node_id == "g"]
        assert found.labels == ("eu", "gpu")
        assert (stage.job("train").runs_on, stage.job("any").runs_on) == (("eu", "gpu"), ())

    def test_a_node_begins_only_jobs_whose_labels_it_has_all_of(self, stage: Stage) -> None:
        self.join_with(stage, "g", "eu", "gpu")
        stage.declare(
            spec("any", EVERY_SECOND),
            spec("train", EVERY_SECOND, runs_on=("gpu",)),
            spec("both", EVERY_SECOND, runs_on=("gpu", "eu")),
            spec("more", EVERY_SECOND, runs_on=("gpu", "eu", "fast")),
        )
        stage.wait(1)
        assert names(stage.turn(node="a")) == ["any"]
        assert {run.job_name: run.status for run in stage.runs()} == {
            "any": "running",
            "train": "queued",
            "both": "queued",
            "more": "queued",
        }, "what the planning node may not run is written all the same, and waits"
        assert names(stage.turn(node="b")) == []
        assert names(stage.turn(node="g")) == ["both", "train"]
        assert names(stage.turn(node="g")) == [], "nobody has the third label"

    def test_a_job_without_labels_runs_on_a_node_that_has_some(self, stage: Stage) -> None:
        self.join_with(stage, "g", "gpu")
        stage.declare(spec("any", EVERY_SECOND))
        stage.wait(1)
        assert names(stage.turn(node="g")) == ["any"]

    def test_what_waits_for_other_nodes_takes_no_room(self, stage: Stage) -> None:
        stage.declare(*[spec(f"train_{number:02}", EVERY_SECOND, runs_on=("gpu",)) for number in range(50)])
        stage.wait(1)
        stage.turn(node="a")
        assert [run.status for run in stage.runs()] == ["queued"] * 50
        stage.declare(
            *[spec(f"train_{number:02}", EVERY_SECOND, runs_on=("gpu",)) for number in range(50)], spec("any")
        )
        (asked,) = stage.ask("any")
        turn = stage.turn(node="a", room=1, plan=False)
        assert [run.run_id for run in turn.claimed] == [asked]

    def test_what_is_due_for_other_nodes_takes_no_room(self, stage: Stage) -> None:
        stage.declare(
            *[spec(f"a_train_{number:02}", EVERY_SECOND, runs_on=("gpu",)) for number in range(50)],
            spec("own", EVERY_SECOND),
        )
        stage.wait(1)
        turn = stage.turn(node="a", room=1, patience=1)
        assert names(turn) == ["own"]
        assert turn.planned == 1, "the others are left to a node that begins them in the turn that plans them"

    def test_a_due_job_is_begun_by_a_node_that_may_in_the_turn_that_plans_it(self, stage: Stage) -> None:
        self.join_with(stage, "g", "gpu")
        stage.declare(spec("train", EVERY_MINUTE, runs_on=("gpu",)))
        stage.wait(60)
        left = stage.turn(node="a", patience=1)
        assert (left.planned, left.claimed) == (0, ())
        turn = stage.turn(node="g", patience=1)
        assert (turn.planned, names(turn)) == (1, ["train"])

    def test_a_due_job_that_no_node_takes_is_planned_once_it_has_waited_and_nobody_looks_before(
        self, stage: Stage
    ) -> None:
        stage.declare(spec("train", EVERY_MINUTE, runs_on=("gpu",)))
        stage.wait(60)
        turn = stage.turn(node="a", patience=1)
        assert (turn.planned, turn.more, turn.next_due) == (0, False, at(61))
        stage.wait(1)
        turn = stage.turn(node="a", patience=1)
        assert (turn.planned, turn.claimed, turn.more, turn.next_due) == (1, (), False, at(120))
        assert [run.status for run in stage.runs()] == ["queued"]

    def test_a_due_job_that_is_left_to_others_makes_no_job_of_this_node_late(self, stage: Stage) -> None:
        stage.declare(spec("train", "0 * * * * *", runs_on=("gpu",)), spec("own", "0,1 * * * * *"))
        stage.wait(60)
        turn = stage.turn(node="a", patience=5)
        assert names(turn) == ["own"]
        assert turn.next_due == at(61), "its own next fire time"
        stage.wait(1)
        assert stage.turn(node="a", patience=5).next_due == at(65), "when the other has waited long enough"

    def test_nothing_that_waits_for_another_node_makes_a_node_look_again(self, stage: Stage) -> None:
        stage.declare(spec("train", "@every 1h", runs_on=("gpu",)))
        stage.ask("train")
        for _ in range(3):
            turn = stage.turn(node="a", patience=1)
            assert (turn.more, turn.claimed) == (False, ())
            assert turn.next_due is not None
            assert turn.next_due > stage.now

    def test_a_start_by_hand_on_a_node_that_may_not_run_the_job_is_refused_and_asking_is_not(
        self, stage: Stage
    ) -> None:
        self.join_with(stage, "g", "gpu")
        stage.declare(spec("train", runs_on=("gpu", "eu")), spec("any"))
        with pytest.raises(LabelsLacking) as caught:
            stage.ledger.start_manual(
                "g", stage.now, [ManualStart(job_name="any"), ManualStart(job_name="train")], ME, skip_running=True
            )
        assert (
            caught.value.message == "job 'train' runs only on nodes with the labels eu and gpu, and this node lacks eu"
        )
        assert caught.value.hint is not None
        assert "sp jobs run train --detach" in caught.value.hint
        assert stage.runs() == [], "all or none"
        stage.ask("train")
        self.join_with(stage, "all", "eu", "gpu")
        assert names(stage.turn(node="all")) == ["train"]

    def test_a_start_by_hand_on_a_node_that_may_run_the_job_begins(self, stage: Stage) -> None:
        self.join_with(stage, "g", "gpu")
        stage.declare(spec("train", runs_on=("gpu",)))
        assert [run.job_name for run in stage.start("train", node="g")] == ["train"]

    def test_a_waiting_run_goes_by_what_its_job_needs_now(self, stage: Stage) -> None:
        stage.declare(spec("train", runs_on=("gup",)), spec("later"))
        stage.ask("train", "later")
        stage.declare(spec("train"), spec("later", runs_on=("gpu",)))
        assert names(stage.turn(node="a")) == ["train"]

    def test_switching_a_job_leaves_its_labels(self, stage: Stage) -> None:
        stage.declare(spec("train", EVERY_MINUTE, runs_on=("gpu",)))
        stage.enable("train", False)
        stage.enable("train", True)
        assert stage.job("train").runs_on == ("gpu",)
        stage.wait(60)
        assert names(stage.turn(node="a")) == []

    def test_a_run_of_a_lost_node_goes_on_only_where_the_job_may_run(self, stage: Stage) -> None:
        self.join_with(stage, "g", "gpu")
        stage.declare(spec("train", EVERY_MINUTE, on_lost="rerun", runs_on=("gpu",)))
        stage.wait(60)
        assert names(stage.turn(node="g")) == ["train"]
        stage.lose("g")
        assert names(stage.turn(node="a", plan=False)) == []
        self.join_with(stage, "h", "gpu")
        assert names(stage.turn(node="h", plan=False)) == ["train"]

    @pytest.mark.parametrize("seed", range(6))
    def test_whatever_nodes_and_jobs_there_are_each_run_begins_where_it_may_and_none_waits_that_somebody_may_run(
        self, stage: Stage, seed: int
    ) -> None:
        chance = random.Random(seed)
        words = ("cpu", "eu", "gpu")
        labels = {f"n{number}": set(chance.sample(words, chance.randint(0, 3))) for number in range(4)}
        for name, has in labels.items():
            self.join_with(stage, name, *sorted(has))
        wanted = {f"job_{number:02}": set(chance.sample(words, chance.randint(0, 3))) for number in range(15)}
        stage.declare(*[spec(name, EVERY_MINUTE, runs_on=tuple(has)) for name, has in wanted.items()])
        stage.wait(60)
        for _ in range(12):
            for name in chance.sample(sorted(labels), len(labels)):
                turn = stage.turn(node=name, room=chance.randint(0, 2), patience=chance.choice((0, 1)))
                assert all(wanted[run.job_name] <= labels[name] for run in turn.claimed)
                if turn.claimed:
                    stage.finish(*turn.claimed, node=name)
            stage.wait(0.2)
        for name in labels:  # whoever had no luck with its room
            claimed = stage.turn(node=name).claimed
            stage.finish(*claimed, node=name)
        statuses = {run.job_name: run.status for run in stage.runs()}
        nobody = {name for name, has in wanted.items() if not any(has <= others for others in labels.values())}
        assert statuses == {name: "queued" if name in nobody else "success" for name in wanted}
