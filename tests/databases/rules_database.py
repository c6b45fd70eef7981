"""The rules of the handle that jobs get, for every engine. A test class inherits them and gives two fixtures:

`db`   a database with the table `t (id, word)`: `id` numbers itself, `word` is unique and never NULL
`again`   opens the same database once more, as another process would
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

import pytest

from systemprompt.databases.database import Database
from systemprompt.errors import DatabaseBusy, DatabaseUnreachable, RowRefused, UsageError

__all__ = ["DatabaseRules", "count"]


def count(db: Database) -> int:
    row = db.fetch_one("SELECT count(*) AS n FROM t")
    assert row is not None
    return int(row["n"])


def words(db: Database) -> list[str]:
    return [row["word"] for row in db.fetch("SELECT word FROM t ORDER BY id")]


class DatabaseRules:
    """What a job may rely on, whatever its database is."""

    def test_rows_are_mappings_by_column_name(self, db: Database) -> None:
        assert db.execute("INSERT INTO t (id, word) VALUES (?, ?)", (1, "a")) == 1
        assert db.execute("INSERT INTO t (id, word) VALUES (:id, :word)", {"id": 2, "word": "b", "unused": 3}) == 1

        rows = db.fetch("SELECT id, word FROM t ORDER BY id")

        assert rows == [{"id": 1, "word": "a"}, {"id": 2, "word": "b"}]
        assert all(isinstance(row, Mapping) for row in rows)
        assert db.fetch_one("SELECT * FROM t WHERE id = 9") is None

    def test_what_only_looks_like_a_placeholder_is_text(self, db: Database) -> None:
        db.execute("INSERT INTO t (word) VALUES ('why? 100 % :sure')  -- really?")
        assert db.fetch("SELECT word FROM t WHERE word LIKE '%:sure' AND id > ?", (0,)) == [
            {"word": "why? 100 % :sure"}
        ]
        assert db.fetch_one("SELECT 'a' || ':b' AS it, :c AS c", {"c": 1}) == {"it": "a:b", "c": 1}

    def test_a_statement_says_how_many_rows_it_changed(self, db: Database) -> None:
        assert db.execute_many("INSERT INTO t (word) VALUES (:word)", [{"word": word} for word in "abc"]) == 3
        assert db.execute("UPDATE t SET word = word || ? WHERE word <> 'a'", ("!",)) == 2
        assert db.execute("DELETE FROM t WHERE word = 'nobody'") == 0
        assert db.execute("SELECT * FROM t") == 0
        assert db.execute_many("DELETE FROM t WHERE word = ?", []) == 0
        assert words(db) == ["a", "b!", "c!"]

    def test_what_other_tasks_of_an_event_loop_do_is_no_part_of_a_transaction(self, db: Database) -> None:
        async def holds(inside: asyncio.Event, go_on: asyncio.Event) -> None:
            with pytest.raises(KeyError), db.transaction() as tx:  # noqa: PT012  # the whole block fails
                tx.execute("INSERT INTO t (word) VALUES ('mine')")
                inside.set()
                await go_on.wait()
                assert "mine" in words(db)
                assert "mine" in await asyncio.create_task(words_in_a_task())  # it belongs to the one that started it
                raise KeyError

        async def words_in_a_task() -> list[str]:
            return words(db)

        async def meet() -> int:
            inside, go_on = asyncio.Event(), asyncio.Event()
            holder = asyncio.create_task(holds(inside, go_on))
            await inside.wait()
            others = 0
            for act in (self.one_word, self.two_words):
                try:
                    others += act(db)
                except DatabaseBusy as error:
                    assert "inside its transaction" in error.message  # noqa: PT017  # one engine lets them in, the other does not
                    assert db.dialect == "sqlite"
            assert await asyncio.to_thread(count, db) == others
            go_on.set()
            await holder
            return others

        others = asyncio.run(meet())
        assert (others, count(db)) == ((0, 0) if db.dialect == "sqlite" else (3, 3))
        assert db.execute("INSERT INTO t (word) VALUES ('free again')") == 1

    def one_word(self, db: Database) -> int:
        return db.execute("INSERT INTO t (word) VALUES ('a')")

    def two_words(self, db: Database) -> int:
        with db.transaction() as tx:
            return tx.execute_many("INSERT INTO t (word) VALUES (?)", [("b",), ("c",)])

    def test_a_transaction_commits_all_of_it_or_nothing(self, db: Database) -> None:
        with db.transaction() as tx:
            tx.execute_many("INSERT INTO t (word) VALUES (?)", [("a",), ("b",)])

        def fail_inside() -> None:
            with db.transaction() as tx:
                tx.execute("INSERT INTO t (word) VALUES ('c')")
                assert count(db) == 3, "the thread's own reads see it"
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            fail_inside()

        assert count(db) == 2

    def test_others_see_what_is_committed_and_nothing_else(self, db: Database, again: Callable[[], Database]) -> None:
        other = again()
        with db.transaction() as tx:
            tx.execute("INSERT INTO t (word) VALUES ('a')")
            assert count(other) == 0
        assert count(other) == 1

    def test_execute_many_outside_a_transaction_is_one(self, db: Database) -> None:
        with pytest.raises(RowRefused):
            db.execute_many("INSERT INTO t (word) VALUES (?)", [("a",), ("b",), ("a",)])

        assert count(db) == 0
        assert db.execute_many("INSERT INTO t (word) VALUES (?)", [("a",), ("b",)]) == 2

    def test_a_row_that_a_constraint_does_not_allow_is_refused_and_its_transaction_goes_on(self, db: Database) -> None:
        db.execute("INSERT INTO t (word) VALUES ('a')")
        with db.transaction() as tx:
            tx.execute("INSERT INTO t (word) VALUES ('b')")
            with pytest.raises(RowRefused, match="does not allow this row: ") as refused:
                tx.execute("INSERT INTO t (word) VALUES ('c'), ('a')")
            with pytest.raises(RowRefused):
                tx.execute("INSERT INTO t (word) VALUES (NULL)")

        assert refused.value.hint == "the statement changed nothing"
        assert words(db) == ["a", "b"]

    def test_a_statement_that_is_wrong_changes_nothing_and_its_transaction_goes_on(self, db: Database) -> None:
        with db.transaction() as tx:
            tx.execute("INSERT INTO t (word) VALUES ('a')")
            with pytest.raises(Exception, match="nowhere"):
                tx.fetch("SELECT * FROM nowhere")
            tx.execute("INSERT INTO t (word) VALUES ('b')")
        assert words(db) == ["a", "b"]

    def test_a_constraint_that_is_asked_at_the_commit_refuses_the_whole_transaction(self, db: Database) -> None:
        db.execute("CREATE TABLE child (t_id INTEGER REFERENCES t (id) DEFERRABLE INITIALLY DEFERRED)")

        with pytest.raises(RowRefused, match=r"(?i)foreign key"), db.transaction() as tx:
            tx.execute("INSERT INTO child VALUES (7)")

        assert db.fetch("SELECT * FROM child") == []
        assert db.execute("INSERT INTO t (word) VALUES ('a')") == 1, "and the database goes on"

    def test_a_second_transaction_in_one_thread_is_refused(self, db: Database) -> None:
        with db.transaction() as tx:
            with pytest.raises(UsageError, match="do not nest"), db.transaction():
                pass
            tx.execute("INSERT INTO t (word) VALUES ('a')")

        assert count(db) == 1, "the first goes on"

    def test_a_transaction_that_ended_refuses_statements(self, db: Database) -> None:
        with db.transaction() as tx:
            pass
        with pytest.raises(UsageError, match="has ended"):
            tx.execute("INSERT INTO t (word) VALUES ('a')")

    def test_transactions_begun_or_ended_by_statements_are_refused(self, db: Database) -> None:
        with pytest.raises(UsageError, match="rolled back"):
            db.execute("BEGIN")
        with pytest.raises(UsageError, match="ended by a statement"), db.transaction() as tx:
            tx.execute("COMMIT")

        assert db.execute("INSERT INTO t (word) VALUES ('a')") == 1

    def test_many_threads_write_and_nothing_is_lost(self, again: Callable[[], Database], db: Database) -> None:
        patient = again()

        def add(worker: int) -> None:
            for number in range(10):
                with patient.transaction() as tx:
                    tx.execute("INSERT INTO t (word) VALUES (?)", (f"{worker}.{number}",))

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(add, range(8)))

        assert count(db) == 80

    def test_a_forked_child_has_connections_of_its_own(self, db: Database) -> None:
        assert count(db) == 0
        with db.transaction() as tx:
            tx.execute("INSERT INTO t (word) VALUES ('parent')")
            child = os.fork()
            if child == 0:
                os._exit(0 if count(db) == 0 else 1)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, "it sees what is committed, by itself"
        assert words(db) == ["parent"]

    def test_a_closed_database_stays_closed(self, db: Database) -> None:
        db.close()
        db.close()

        with pytest.raises(DatabaseUnreachable, match="was closed"):
            db.fetch("SELECT 1")

    def test_closing_inside_a_transaction_rolls_it_back(self, db: Database, again: Callable[[], Database]) -> None:
        def close_inside() -> None:
            with db.transaction() as tx:
                tx.execute("INSERT INTO t (word) VALUES ('a')")
                db.close()
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            close_inside()

        assert count(again()) == 0

    def test_a_thread_that_ends_takes_nothing_with_it(self, db: Database) -> None:
        for _ in range(20):
            thread = threading.Thread(target=lambda: db.fetch("SELECT 1"))
            thread.start()
            thread.join()
        assert count(db) == 0
