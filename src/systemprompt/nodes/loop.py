"""Keep a node's time: one thread that owns the ledger, one transaction after another.

Each round closes the runs that ended, plans what is due and claims what there is room for, all in one commit; while a commit
is on its way, ends gather for the next one. Between rounds it sleeps until the next fire time, and looks a few times a second
whether another process has written.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

from systemprompt.clock import SECOND, Clock, Instant
from systemprompt.errors import (
    ConflictError,
    DatabaseBusy,
    DatabaseDamaged,
    DatabaseUnreachable,
    NodeLost,
    NotFoundError,
    SystempromptError,
)
from systemprompt.ledger.protocol import Ledger
from systemprompt.ledger.records import Change, Claimed, Closing, ManualStart, NodeIdentity
from systemprompt.nodes.clock_jumps import JUMP, ClockJumps
from systemprompt.nodes.folding import Folding
from systemprompt.nodes.holding import Holding
from systemprompt.nodes.hooks import Hooks, Pace
from systemprompt.nodes.journal import Journal
from systemprompt.nodes.lost_stretch import LostStretch
from systemprompt.nodes.standing_back import StandingBack
from systemprompt.nodes.unsure import Unsure
from systemprompt.own_log import own_log
from systemprompt.planning.planner import Planner

__all__ = ["Loop"]

log = own_log("systemprompt.node")


class Loop:
    """One node's clockwork. `step` is one round and may be called by hand in tests; `run` calls it until `stop`.

    While the ledger cannot be written it tries again; before the lease is over, it stops those of its runs that others may start
    again. A ledger that is damaged, deleted or replaced ends it (`hooks.failed`).
    """

    def __init__(
        self,
        *,
        ledger: Ledger,
        clock: Clock,
        planner: Planner,
        identity: NodeIdentity,
        hooks: Hooks,
        pace: Pace,
        plans: bool,
        journal: Journal | None = None,
    ) -> None:
        self._ledger = ledger
        self._clock = clock
        self._planner = planner
        self._identity = identity
        self._hooks = hooks
        self._pace = pace
        self._plans = plans
        self._claims = plans
        self._back = StandingBack(ledger)
        self._wake = threading.Condition()
        self._ended: list[Closing] = []
        self._asked: list[ManualStart] = []
        self._drain: Change | None = None
        self._stopping = False
        self._abandoned = False
        self._round = threading.Lock()
        self._holding = Holding()
        self._journal = journal
        self._lost = LostStretch(ledger=ledger, clock=clock, journal=journal, lease=pace.lease)
        self._held_back = False
        self._gave_up = False
        self._unsure = Unsure(pace)
        self._next_due: Instant | None = None
        self._look = True
        self._marker = 0
        self._folding = Folding(clock)
        self._last_beat = clock.monotonic()
        self._next_watch = self._last_beat
        self._troubled = False
        self._clocks = ClockJumps(clock)
        self.begun = threading.Event()
        """Set once the first round is over, or once there will be none."""

    @property
    def node_id(self) -> str:
        return self._identity.node_id

    def join(self) -> None:
        """Enter the node into the ledger and settle what dead nodes left behind, before anything is planned."""
        self._ledger.join(self._identity)
        if self._plans:
            self._ledger.hear(self.look)
        self._last_beat = self._clock.monotonic()
        behind = self._clock.now() - self._ledger.high_water()
        if behind < -JUMP:
            self._record_jump("backward", behind, "nothing fires twice; firing goes on from there")
        self._watch()

    def ended(self, closing: Closing) -> None:
        """Take the end of a run from any thread; it is durable when `hooks.closed` names it."""
        with self._wake:
            self._ended.append(closing)
            self._wake.notify()

    def ask(self, start: ManualStart) -> None:
        """Take a start that is due now, such as a bootstrap job; left out with an account where the job is running."""
        with self._wake:
            self._asked.append(start)
            self._wake.notify()

    def hold(self, claimed: Sequence[Claimed]) -> None:
        """Count runs that were claimed, here or outside the loop by a manual start, before their code starts."""
        self._holding.add(claimed)
        if self._journal is not None:
            self._journal.claimed(claimed)

    def look(self) -> None:
        """Plan in the next round, due or not: something changed."""
        with self._wake:
            self._look = True
            self._wake.notify()

    def drain(self, *, wait: bool = True) -> None:
        """Plan and claim no more; go on closing and beating. After waiting, nothing new is handed to the node."""
        self._claims = self._plans = False
        if wait:
            with self._round:  # a round that was on its way may still claim
                pass

    def stop(self) -> None:
        """End `run` after the ends that are in are durable."""
        with self._wake:
            self._stopping = True
            self._wake.notify()

    def abandon(self) -> None:
        """Stop waiting for a ledger that cannot be written: the next node settles what is still open here."""
        with self._wake:
            self._stopping = self._abandoned = True
            self._wake.notify()

    def run(self) -> None:
        """Go round until stopped. An error that is not the database's passing trouble ends the node."""
        try:
            while True:
                self._wait(self.step())
                with self._wake:
                    if self._stopping and (self._abandoned or not self._ended):
                        break
            self._leave()
        except Exception as error:  # reported to the node, which ends with it
            if self._abandoned:
                return  # the ledger was closed under it
            if isinstance(error, SystempromptError):
                log.critical("the clockwork stopped: %s", error)
            else:
                log.exception("the clockwork stopped")
            self._hooks.failed(error)
        finally:
            self.begun.set()

    def _leave(self) -> None:
        if self._journal is not None:
            self._journal.close()
        try:
            with self._ledger.answered_within(_ANSWERED * self._pace.lease):
                self._ledger.leave(self.node_id, self._clock.now())
        except (DatabaseBusy, DatabaseUnreachable) as error:
            log.warning("this node could not say that it left; others will see that it is gone: %s", error)

    def step(self) -> float:
        """Do one round; return the seconds until the next is needed."""
        with self._round:
            self._notice_clock_jump()
            try:
                with self._ledger.answered_within(_ANSWERED * self._pace.lease):
                    if self._is_held_back():
                        self._beat(watches=False)
                        self._troubled = True
                        return self._pace.poll
                    self._beat()
                    self._clocks.record(self._ledger)
                    self._find_again()
                    self._turn()
            except DatabaseDamaged:
                raise  # no disk or lock that somebody frees: nothing that runs here could be accounted for any more
            except (DatabaseBusy, DatabaseUnreachable) as error:
                self._troubled = True
                self._unsure.trouble(self._clock.now(), self._clock.monotonic(), error)
                self._give_up_lease_in_time()
                return _RETRY
            self._troubled = False
            self.begun.set()
            return self._pause()

    # -- one round ------------------------------------------------------------------------------------------------------

    def _is_held_back(self) -> bool:
        """Say whether nothing may begin or end yet: the server lost a stretch, and not all have told what they did in it."""
        is_held_back = not self._lost.is_over(self._identity, self._planner.decide)
        if self._held_back and not is_held_back:
            self._look = True
            stops = self._holding.but_for({run.fence for run in self._ledger.held(self.node_id)})
            if stops:
                self._hooks.asked_to_stop(stops)
        self._held_back = is_held_back
        return is_held_back

    def _turn(self) -> None:
        now = self._clock.now()
        marker = self._ledger.change_marker()
        changed, self._marker = marker != self._marker, marker
        with self._wake:
            closings, asked = tuple(self._ended), tuple(self._asked)
            looked, self._look = self._look, False
        due = self._may_plan and self._next_due is not None and self._next_due <= now
        try:
            if changed or looked:
                with self._ledger.snapshot():
                    self._hear_stops()
                    self._hear_drain()
            if self._claims:
                self._start_asked(asked, now)
            if not (closings or due or ((changed or looked) and self._plans)):
                if not self._is_due_soon():
                    self._folding.step(self._ledger, busy=False)
                return
            turn = self._ledger.turn(
                self.node_id,
                now,
                self._planner.decide,
                closings=closings,
                room=self._holding.room(self._identity.capacity, closings) if self._claims else 0,
                plan=self._may_plan,
                patience=min(_PATIENCE, self._planner.grace // 2),
            )
        except BaseException:
            self._look = True
            raise
        self._folding.leaves(bool(closings or turn.planned))
        with self._wake:
            del self._ended[: len(closings)]
        self._holding.remove(closings)
        if self._journal is not None:
            self._journal.closed(closings)
        self._next_due = turn.next_due
        # What was held back until the runs of the former identity were over can be claimed now.
        self._look = self._look or turn.more
        if not turn.more:
            self._set_jumped(jumped=False)
        if closings:
            self._hooks.closed(turn.closed, (*turn.late, *turn.odd), dict(turn.again))
        self._take(turn.claimed)
        self._folding.step(self._ledger, busy=True)

    def _find_again(self) -> None:
        """Begin what this node claimed in a commit that succeeded though its answer was lost."""
        with self._wake:
            ended = {closing.fence for closing in self._ended}
        held = self._unsure.claimed(self._ledger, self.node_id, self._clock.monotonic())
        self._take(self._holding.unknown(run for run in held if run.fence not in ended))

    def _hear_stops(self) -> None:
        """Begin to stop what somebody asked to stop. It is said again until the run is closed; once is enough for the runner."""
        stops = self._holding.among(self._ledger.stops_asked(self.node_id))
        if stops:
            self._hooks.asked_to_stop(stops)

    def _hear_drain(self) -> None:
        """Take no more from now on, where somebody asked for that."""
        node = self._ledger.node(self.node_id) if self._drain is None else None
        if node is not None and node.draining_by is not None:
            self._drain = Change(actor=node.draining_by, why=node.draining_why or "")
            self.drain(wait=False)
            self._hooks.asked_to_drain(self._drain.actor, self._drain.why)

    def _is_due_soon(self) -> bool:
        """Say whether something falls due in a moment: what can wait lets it go first, so that it starts on time."""
        return self._may_plan and self._next_due is not None and self._next_due - self._clock.now() < _MOMENT

    def _start_asked(self, asked: Sequence[ManualStart], now: Instant) -> None:
        for start in asked:
            claimed: tuple[Claimed, ...] = ()
            try:
                claimed = self._ledger.start_manual(
                    self.node_id, now, [start], Change(actor=start.origin), skip_running=True
                )
            except NodeLost:
                self._start_afresh("fenced")
                return  # asked for again in the next round, under the fresh id
            except (NotFoundError, ConflictError) as error:
                log.warning("%s was not started: %s", start.job_name, error)
            with self._wake:
                self._asked.remove(start)
            self._take(claimed)

    def _take(self, claimed: Sequence[Claimed]) -> None:
        if claimed:
            self.hold(claimed)
            self._hooks.claimed(claimed)

    def _beat(self, *, watches: bool = True) -> None:
        now = self._clock.monotonic()
        if self._is_due_soon() and now - self._last_beat < 1.5 * self._pace.heartbeat:
            return
        if now - self._last_beat >= self._pace.heartbeat:
            if not self._ledger.beat(self.node_id, self._clock.now()):
                self._start_afresh("fenced")
            self._last_beat = self._clock.monotonic()
            self._gave_up = False
        if now >= self._next_watch and watches:
            self._watch()

    def _watch(self) -> None:
        self._next_watch = self._clock.monotonic() + self._pace.heartbeat
        rescued = self._hooks.watch(self.node_id)
        if rescued:
            self._look = True
            self._hooks.rescued(rescued)
        if self._plans and self._back.weigh(self.node_id, self._clock.now()):
            self._look = True

    @property
    def _may_plan(self) -> bool:
        return self._plans and not self._back.now

    def _give_up_lease_in_time(self) -> None:
        # Others may start our runs again once the lease is over; ours must have stopped by then. Said once, until we beat again.
        # A run that nobody starts again goes on: stopping it would make of a short trouble a failed run.
        silent = self._clock.monotonic() - self._last_beat
        if self._holding and not self._gave_up and silent > _TRUST * self._pace.lease:
            self._gave_up = True
            self._hooks.lease_lost("database", self._holding.reruns())

    def _start_afresh(self, why: str) -> None:
        log.warning(
            "this node was declared lost: it stops what others start again and goes on under a fresh id  node=%s",
            self.node_id,
        )
        self._identity = self._hooks.lease_lost(why, self._holding.forsake(self._ledger))
        self._ledger.join(self._identity)
        if self._drain is not None:  # whoever looks must see it of the fresh id too
            self._ledger.drain(self.node_id, self._clock.now(), self._drain)
        self._look = True

    # -- clocks ---------------------------------------------------------------------------------------------------------

    def _notice_clock_jump(self) -> None:
        jump = self._clocks.step()
        if jump > 0:
            self._set_jumped(jumped=True)
            self._record_jump("forward", jump, "the catch-up policy of each job decides")
        elif jump < 0:
            self._record_jump("backward", jump, "nothing fires twice; firing goes on from the cursor")

    def _set_jumped(self, *, jumped: bool) -> None:
        if self._planner.clock_jumped != jumped:
            self._planner = Planner(grace=self._planner.grace, clock_jumped=jumped)

    def _record_jump(self, kind: str, delta: int, action: str) -> None:
        self._look = True
        self._clocks.note(kind, delta, action, self.node_id)

    # -- waiting --------------------------------------------------------------------------------------------------------

    def _pause(self) -> float:
        pause = self._pace.poll
        if self._may_plan and self._next_due is not None:
            pause = min(pause, (self._next_due - self._clock.now()) / SECOND)
        return max(0.0, pause)

    def _wait(self, seconds: float) -> None:
        with self._wake:
            hurry = self._ended or self._asked or self._look or self._stopping
            # What is in a hurry is what failed just now: without the pause a full disk would cost a whole core.
            if seconds > 0 and (self._troubled or not hurry):
                self._wake.wait(seconds)


_PATIENCE = SECOND
_MOMENT = SECOND // 20
_TRUST = 0.6
_ANSWERED = 0.5
"""So much of a lease a statement may take. After it there is still time to stop what others may start again."""
_RETRY = 0.1
