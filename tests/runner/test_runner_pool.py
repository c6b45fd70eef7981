"""The pool of job threads: whom it wakes, and that nothing it was given is left lying."""

from __future__ import annotations

import threading
from contextlib import suppress

from systemprompt.runner.executors.thread import DaemonPool


def _all_met(pool: DaemonPool, count: int) -> bool:
    """Give it so many works that end only once all have begun; say whether they did."""
    barrier = threading.Barrier(count + 1)

    def meet() -> None:
        with suppress(threading.BrokenBarrierError):
            barrier.wait(10)

    for number in range(count):
        pool.run(meet, key=number)
    try:
        barrier.wait(10)
    except threading.BrokenBarrierError:
        return False
    return True


def test_works_that_wait_for_each_other_all_begin_though_one_thread_is_woken_at_a_time() -> None:
    pool = DaemonPool(8, name="sp-test")
    assert _all_met(pool, 8)
    # By now the threads are there, and idle or about to be.
    assert all(_all_met(pool, 8) for _ in range(50))
    pool.close()


def test_no_work_is_left_lying_while_threads_come_and_go() -> None:
    pool = DaemonPool(4, name="sp-test")
    done = threading.Semaphore(0)
    for round_ in range(300):
        for number in range(round_ % 7 + 1):
            pool.run(done.release, key=(round_, number))
        for _ in range(round_ % 7 + 1):
            assert done.acquire(timeout=10), f"work of round {round_} was never done"
    pool.close()


def test_works_in_an_idle_pool_of_fewer_threads_are_all_done() -> None:
    pool = DaemonPool(2, name="sp-test")
    done = threading.Semaphore(0)
    for number in range(500):
        pool.run(done.release, key=number)
    assert all(done.acquire(timeout=10) for _ in range(500))
    pool.close()
