"""A placeholder means a value where SQL has nothing else there, and only there."""

from __future__ import annotations

import pytest

from systemprompt.databases.placeholders import for_psycopg
from systemprompt.errors import UsageError


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("SELECT ?, ?", "SELECT %s, %s"),
        ("x = '?'", "x = '?'"),
        ("x = 'it''s ?' AND y = ?", "x = 'it''s ?' AND y = %s"),
        (r"x = E'\'?' AND y = ?", r"x = E'\'?' AND y = %s"),
        (r"x = '\' AND y = ?", r"x = '\' AND y = %s"),
        ('"a?" = ?', '"a?" = %s'),
        ("a -- ?\n= ?", "a -- ?\n= %s"),
        ("a /* ? /* ? */ ? */ = ?", "a /* ? /* ? */ ? */ = %s"),
        ("a = $$ ? $$ AND b = ?", "a = $$ ? $$ AND b = %s"),
        ("a = $tag$ ? $$ ? $tag$ AND b = ?", "a = $tag$ ? $$ ? $tag$ AND b = %s"),
        ("a$b$c = ?", "a$b$c = %s"),
        ("j ?? 'key' AND a = ?", "j ? 'key' AND a = %s"),
        ("j ??| ARRAY[?, ?]", "j ?| ARRAY[%s, %s]"),
        ("a % 2 = ? AND b LIKE '10%'", "a %% 2 = %s AND b LIKE '10%%'"),
        ("?::int", "%s::int"),
        ("x = 'never closed ?", "x = 'never closed ?"),
        ("x /* never closed ?", "x /* never closed ?"),
    ],
)
def test_question_marks(written: str, read: str) -> None:
    assert for_psycopg(written, named=False) == read


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("SELECT :a, :b_2", "SELECT %(a)s, %(b_2)s"),
        ("x = :a::text", "x = %(a)s::text"),
        ("x::text = ':a' AND y = :a", "x::text = ':a' AND y = %(a)s"),
        ("a[1:n] = :a", "a[1:n] = %(a)s"),
        ("a[lo:hi], a[:hi], ARRAY[:a, :b]", "a[lo:hi], a[:hi], ARRAY[%(a)s, %(b)s]"),
        ("array [[:a], [:b]]", "array [[%(a)s], [%(b)s]]"),
        ("ARRAY[a[:hi], :b]", "ARRAY[a[:hi], %(b)s]"),
        ("j ?? :key -- :no", "j ? %(key)s -- :no"),
        ("f(x := :a)", "f(x := %(a)s)"),
        ("a = $f$ :a $f$ || :a", "a = $f$ :a $f$ || %(a)s"),
        ("a LIKE '%:a' AND b = :a", "a LIKE '%%:a' AND b = %(a)s"),
        (":größe", "%(größe)s"),
        ("'12:30'::time > :t", "'12:30'::time > %(t)s"),
    ],
)
def test_names(written: str, read: str) -> None:
    assert for_psycopg(written, named=True) == read


def test_values_of_one_kind_for_placeholders_of_the_other_are_refused_with_the_way_out() -> None:
    with pytest.raises(UsageError, match="its values come by name") as refused:
        for_psycopg("SELECT ?", named=True)
    assert refused.value.hint == "write :name, or ?? for the operator"
    with pytest.raises(UsageError, match="':a', and its values come in order"):
        for_psycopg("SELECT :a", named=False)


def test_a_long_statement_is_read_in_one_go() -> None:
    assert for_psycopg("SELECT " + "(?), " * 100_000, named=False).count("%s") == 100_000
