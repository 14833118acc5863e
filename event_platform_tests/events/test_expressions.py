"""SQL expressions of derived columns: the columns they use, and that they read only their row."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from event_platform.events.derivation.expression import ExpressionError, columns_used
from event_platform_tests.events.test_derivation import fault

SECRET = "of this machine"


@pytest.mark.parametrize(
    ("expression", "used"),
    [
        ("price * quantity", ["price", "quantity"]),
        ("date_trunc('week', created_datetime)", ["created_datetime"]),
        ("Date_Trunc('month', date_trunc('week', created_datetime))", ["created_datetime"]),
        ("split_part(email, '@', 2)", ["email"]),
        ("extract(week FROM created_datetime)", ["created_datetime"]),
        ("trim(both 'a' from note)", ["note"]),
        ("substring(note from 1 for 2)", ["note"]),
        ("case when note = 'select now() from x; --' then 1 else 0 end", ["note"]),
        ("note ~ '\\d+' and note like '%''%'", ["note"]),
        ('"select" || note', ["note", "select"]),
        ("device.os", ["device"]),
        ("tags[1]", ["tags"]),
        ("array_reverse(tags)", ["tags"]),
        ("created_datetime - interval '1 day'", ["created_datetime"]),
        ("try_cast(note as bigint)", ["note"]),
    ],
)
def test_an_expression_says_which_columns_it_uses(expression: str, used: list[str]) -> None:
    """They are those of its lineage, and make it personal."""
    assert list(columns_used(expression)) == used


HOSTILE = [
    "read_csv('{file}')",
    "exists(select * from read_csv('{file}'))",
    "exists(from read_csv('{file}'))",
    "note in (from read_csv('{file}'))",
    "note in (FROM/**/read_csv('{file}'))",
    "note = any(select 1)",
    "note in (table x)",
    "note in (values ('a'))",
    "note in (with x as (select 1) select * from x)",
    "trim(both (select 'a') from note)",
    "e'\\'' || (select * from read_csv('{file}')) || ''",
    "$$'$$ || (select * from read_csv('{file}')) || $$'$$",
    "note) from read_csv('{file}') --",
    "note; select * from read_csv('{file}')",
    "note from read_csv('{file}')",
    "`note`",
    "note /* from */",
    "note as other",
    "'a' 'b'",
    "*",
    "columns('p.*')",
    "note, price",
    "sum(price)",
    "price / sum(price)",
    "count(*)",
    "median(price)",
    "quantile_cont(price, 0.5)",
    "corr(price, quantity)",
    "first(price)",
    "array_agg(price)",
    "row_number() over (order by price)",
    "rank() over (order by price)",
    "unnest(tags)",
    "generate_series(1, quantity)",
    "now()",
    "created_datetime < current_timestamp",
    "1",
    "'a",
    "",
]


@pytest.mark.parametrize("expression", HOSTILE)
def test_an_expression_reads_its_row_and_nothing_else(tmp_path: Path, expression: str) -> None:
    """No file, no other row, no clock: the same record gives the same values wherever it is read."""
    secret = tmp_path / "secret.csv"
    secret.write_text(f"{SECRET}\n1\n", encoding="utf-8")
    message = fault(tmp_path / "catalog", {"total": expression.format(file=secret)})
    assert message.startswith("x-derive.total.sql: ")
    assert SECRET not in message


FRAGMENTS = [*"'\"`$();,*-/\\ \n", "select", "from", "read_csv", "note", "price", "''", "--", "/*", "e'", "1", "trim"]


@given(st.lists(st.sampled_from(FRAGMENTS), max_size=12).map("".join))
def test_whatever_is_written_is_a_fault_or_uses_columns(expression: str) -> None:
    """No other error, and no query."""
    try:
        used = columns_used(expression)
    except ExpressionError:
        return
    assert used
