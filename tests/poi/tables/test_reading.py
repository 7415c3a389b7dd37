"""Files from anywhere: each is read, or refused with one sentence that says what to mend."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poi.tables.errors import InvalidTable
from poi.tables.reading import TABLE_COLUMNS_MAX, TABLE_ROWS_MAX, TABLE_SIZE_MAX, read_table


def test_columns_come_out_without_the_label_and_without_the_ignored() -> None:
    table = read_table(b"\xef\xbb\xbfname, a ,kind\r\nx, 1 ,up\r\n\r\ny,2, down\r\n", "kind", ["name"])
    assert (table.names, table.columns) == (("a",), (("1", "2"),))
    assert (table.label, table.labels) == ("kind", ("up", "down"))


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_the_separator_is_what_the_header_has_most_of(separator: str) -> None:
    text = f'a{separator}b{separator}c\n"1,5"{separator}"say ""no"""{separator}z\n'
    table = read_table(text.encode(), "c")
    assert table.columns == (("1,5",), ('say "no"',))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "it is empty"),
        (b"\n\n", "it is empty"),
        (b"a,b\n", "no rows below"),
        (b"a,c\n1,2\n", "no column 'b'; it has a, c"),
        (b"a,b\n1,2\n3\n", "line 3: it has 1 fields, the header has 2"),
        (b"a,b\n1,2\n3,4,5\n", "line 3: it has 3 fields"),
        (b"a,b\n1,\n", "line 2: column 'b' is empty"),
        (b"a,b,a\n1,2,3\n", "two columns are called 'a'"),
        (b"a,,b\n1,2,3\n", "column 2 has no name"),
        (b"a,b\n\xff\xfe,2\n", "byte 4 is not UTF-8"),
        (b"a,b\n\x00,2\n", "byte 4 is zero"),
        (b"a,b\x1b[2J\n1,2\n", "cannot be shown"),
        (b'a,b\n"1,2\n', "line 2: unexpected end of data"),
        (b'a,b\n"1"x,2\n', "line 2: ',' expected after"),
        (b"a,b\n" + b"1" * 200_000 + b",2\n", "field larger than field limit"),
        (b"a" * 300 + b",b\n1,2\n", "a column name of 300 bytes"),
        (b",".join(b"c%d" % place for place in range(TABLE_COLUMNS_MAX)) + b",b\n", "1025 columns"),
        (b"a,b\n" + b"1,2\n" * (TABLE_ROWS_MAX + 1), "more than 65536 rows"),
        (b"a,b\n" + b"1" * TABLE_SIZE_MAX, "16777220 bytes"),
    ],
)
def test_hostile_files_are_refused_with_one_sentence(data: bytes, reason: str) -> None:
    with pytest.raises(InvalidTable) as refused:
        read_table(data, "b")
    assert reason in str(refused.value)
    assert "\n" not in str(refused.value)
    assert refused.value.code == "table-invalid"


def test_the_line_of_a_fault_can_be_read_by_programs() -> None:
    with pytest.raises(InvalidTable) as refused:
        read_table(b"a,b\n1,2\n3\n", "b")
    assert refused.value.line == 3


def test_a_column_is_not_learnt_and_ignored() -> None:
    with pytest.raises(InvalidTable, match="both learnt and ignored"):
        read_table(b"a,b\n1,2\n", "b", ["b"])


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        table = read_table(b"a,b\n" + data, "b")
    except InvalidTable:
        return
    assert len(table.columns[0]) == len(table.labels) > 0
