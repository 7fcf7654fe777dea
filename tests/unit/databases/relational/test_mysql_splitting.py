"""How scripts of MariaDB and MySQL are split."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testrun_operator.databases.relational.mysql.splitting import split_script

WITH_DELIMITER = """\
CREATE TABLE a (t TEXT);
DELIMITER //
CREATE PROCEDURE p()
BEGIN
  INSERT INTO a VALUES ('//');
  SELECT 1;
END//

delimiter ;
SELECT 2;
"""


def _texts(script: str, *, backslash_escapes: bool = True) -> list[str]:
    return [statement.text for statement in split_script(script, backslash_escapes=backslash_escapes)]


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("", []),
        ("  \n-- nothing;\n# at all;\n/* ; */ ;;", []),
        ("SELECT 1", ["SELECT 1"]),
        ("SELECT 1;SELECT 2 ; \n", ["SELECT 1", "SELECT 2"]),
        ("SELECT ';', \";\", `;`;SELECT 2", ["SELECT ';', \";\", `;`", "SELECT 2"]),
        ("SELECT 'it''s;';SELECT 2", ["SELECT 'it''s;'", "SELECT 2"]),
        ("SELECT 'a\\';b';SELECT 2", ["SELECT 'a\\';b'", "SELECT 2"]),
        ("SELECT `a\\`;SELECT 2", ["SELECT `a\\`", "SELECT 2"]),
        ("SELECT 'two\nlines;\n';SELECT 2", ["SELECT 'two\nlines;\n'", "SELECT 2"]),
        ("SELECT 1 -- one;\n+ 1;SELECT 2", ["SELECT 1 -- one;\n+ 1", "SELECT 2"]),
        ("SELECT 5--2;SELECT 2", ["SELECT 5--2", "SELECT 2"]),
        ("SELECT 1 # one;\n;SELECT 2 --", ["SELECT 1 # one;", "SELECT 2 --"]),
        ("SELECT /* ; ' */ 1;SELECT 2", ["SELECT /* ; ' */ 1", "SELECT 2"]),
        ("/*!50003 SET @a = 1; */;SELECT 2", ["/*!50003 SET @a = 1; */", "SELECT 2"]),
        ("/*M!100100 SET @a = '*/;' */;SELECT 2", ["/*M!100100 SET @a = '*/;' */", "SELECT 2"]),
        ("SELECT 'open;SELECT 2;", ["SELECT 'open;SELECT 2;"]),
        ("SELECT /* open;SELECT 2;", ["SELECT /* open;SELECT 2;"]),
        ("BEGIN;SELECT 1;COMMIT;", ["BEGIN", "SELECT 1", "COMMIT"]),
        ("SELECT 1;\r\nSELECT 2;\r\n", ["SELECT 1", "SELECT 2"]),
    ],
)
def test_a_statement_ends_at_a_semicolon_that_is_in_no_text_name_or_comment(script: str, expected: list[str]) -> None:
    """As for the server's own client."""
    assert expected == _texts(script)


def test_a_delimiter_line_says_what_ends_statements_from_there_on() -> None:
    """The line itself is for the client; no server has ever seen one."""
    procedure = "CREATE PROCEDURE p()\nBEGIN\n  INSERT INTO a VALUES ('//');\n  SELECT 1;\nEND"
    assert ["CREATE TABLE a (t TEXT)", procedure, "SELECT 2"] == _texts(WITH_DELIMITER)


def test_lines_are_those_of_the_script_on_which_statements_begin() -> None:
    """Comments before a statement are no part of it."""
    script = "-- one\n\nSELECT 1; /* two\n */ SELECT 2;\nDELIMITER $$\nSELECT\n3$$"
    assert [(3, "SELECT 1"), (4, "SELECT 2"), (6, "SELECT\n3")] == [
        (statement.line, statement.text) for statement in split_script(script)
    ]


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("delimiter go\nSELECT category go SELECT 2 go", ["SELECT category", "SELECT 2"]),
        ("DELIMITER ;;\nSELECT 1;;\nDELIMITER ;\nSELECT 2;", ["SELECT 1", "SELECT 2"]),
        ("DELIMITER '$$'\nSELECT 1$$", ["SELECT 1"]),
        ("DELIMITER $$\nSELECT '$$', 1\nDELIMITER ;\nSELECT 2;", ["SELECT '$$', 1", "SELECT 2"]),
        ("SELECT a,\n  delimiter ,\n b;", ["SELECT a,\n  delimiter ,\n b"]),
        ("SELECT '\nDELIMITER $$\n';SELECT 2", ["SELECT '\nDELIMITER $$\n'", "SELECT 2"]),
        ("DELIMITER", ["DELIMITER"]),
    ],
)
def test_delimiters_of_all_kinds(script: str, expected: list[str]) -> None:
    """Words, doubled semicolons, quoted ones; one that was forgotten before the next line; and columns of that name."""
    assert expected == _texts(script)


@pytest.mark.parametrize(
    "routine",
    [
        "CREATE PROCEDURE p() BEGIN SELECT 1; SELECT 2; END",
        "create or replace definer = 'a;b'@`%` procedure p() begin select 1; end",
        "CREATE DEFINER=CURRENT_USER() FUNCTION f(a INT) RETURNS INT BEGIN IF a THEN RETURN 1; END IF; RETURN 2; END",
        "CREATE FUNCTION f(a INT) RETURNS INT RETURN IF(a, 1, 2)",
        "CREATE PROCEDURE IF NOT EXISTS p() COMMENT 'x;y' BEGIN BEGIN END; SELECT CASE WHEN 1 THEN 2 END; END",
        "CREATE PROCEDURE p(a INT) BEGIN CASE a WHEN 1 THEN SELECT IF(a, 1, 2); ELSE BEGIN END; END CASE; END",
        "CREATE PROCEDURE p() BEGIN l: LOOP LEAVE l; END LOOP l; REPEAT SET @a = 1; UNTIL 1 END REPEAT; END",
        "CREATE PROCEDURE p() BEGIN WHILE 0 DO SELECT 1; END WHILE; FOR i IN 1..3 DO SELECT i; END FOR; END",
        "CREATE PROCEDURE p() BEGIN SELECT end, `begin`, t.begin FROM t WHERE end > 1; SELECT 2; END",
        "CREATE PROCEDURE p() BEGIN DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN ROLLBACK; END; SELECT 'END;'; END",
        "CREATE PROCEDURE p() BEGIN DECLARE EXIT HANDLER FOR SQLSTATE '45000', 1062 BEGIN END; SELECT 1; END",
        "CREATE PROCEDURE p() BEGIN DECLARE EXIT HANDLER FOR NOT FOUND IF 1 THEN SELECT 1; END IF; SELECT 1; END",
        "CREATE TRIGGER t BEFORE INSERT ON x FOR EACH ROW IF NEW.a > 1 THEN SET NEW.a = 1; END IF",
        "CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO BEGIN DELETE FROM x; DELETE FROM y; END",
        "BEGIN NOT ATOMIC DECLARE a INT; IF a THEN SELECT 1; ELSEIF b THEN SELECT 2; ELSE SELECT 3; END IF; END",
        "CREATE PROCEDURE p() BEGIN -- not the END;\n SELECT 1; END",
    ],
)
def test_the_body_of_a_routine_is_kept_whole_without_a_delimiter(routine: str) -> None:
    """The server's client would tear it apart."""
    assert ["SELECT 0", routine, "SELECT 9"] == _texts(f"SELECT 0;\n{routine};\nSELECT 9;")


def test_where_blocks_do_not_end_statements_end_at_semicolons() -> None:
    """A word that only looked like the begin of a block does not swallow the rest of the script."""
    script = "CREATE FUNCTION f() RETURNS INT RETURN (SELECT begin FROM t); SELECT 2;"
    assert ["CREATE FUNCTION f() RETURNS INT RETURN (SELECT begin FROM t)", "SELECT 2"] == _texts(script)


def test_without_backslash_escapes_a_backslash_is_a_character() -> None:
    """As the server says in its mode NO_BACKSLASH_ESCAPES."""
    assert ["SELECT '\\'", "SELECT 2"] == _texts("SELECT '\\';SELECT 2", backslash_escapes=False)


_MARKS = [
    "SELECT 1",
    ";",
    "'",
    '"',
    "`",
    "\\",
    "--",
    "-- ",
    "#",
    "/*",
    "/*!",
    "*/",
    "\n",
    " ",
    "//",
    ":",
    ".",
    "é",
    "\0",
]
_WORDS = [
    "delimiter ",
    "DELIMITER //",
    "create procedure p()",
    "begin",
    "end",
    "case",
    "if",
    " end if",
    "loop",
    " handler ",
]
_PIECES = st.sampled_from(_MARKS + _WORDS)


@given(st.lists(_PIECES, max_size=40).map("".join))
def test_any_text_is_split_into_parts_of_itself_in_their_order(script: str) -> None:
    """No input fails, nothing is made up, and lines are right."""
    position = 0
    for statement in split_script(script):
        position = script.index(statement.text, position)
        # The place that was found may be an earlier one of the same text, in a comment.
        assert statement.line >= script.count("\n", 0, position) + 1
        position += len(statement.text)
        assert statement.text == statement.text.strip(" \n") != ""


@given(
    st.lists(
        st.lists(
            st.sampled_from(["SELECT 1", "'a;b'", '"c;\\""', "`d;`", "/* ; */", "# ;\n", "-- ;\n", "x"]), min_size=1
        ).map(" ".join),
        max_size=8,
    ),
    st.sampled_from([";", "//", "$$", "go"]),
)
def test_statements_that_were_joined_are_split_again(statements: list[str], delimiter: str) -> None:
    """Whatever is in them, and whatever the delimiter is."""
    whole = [f"SELECT {statement}\n+ 1" for statement in statements]
    script = f"DELIMITER {delimiter}\n" + "".join(f"{statement} {delimiter}\n" for statement in whole)
    assert whole == _texts(script)


_LONG = ["create procedure p() begin ", "create procedure p() begin select 1; end;\n", "SELECT 1\ndelimiter x //\n"]
_SHORT = [";", "'\\", "/*", "delimiter //\n", "x\n", "begin not atomic;", " \n", "end ", "-- ", "`"]


@pytest.mark.parametrize("part", _LONG + _SHORT)
def test_a_megabyte_of_anything_is_split(part: str) -> None:
    """What takes the square of the time would not come to an end here."""
    script = part * (1_000_000 // len(part))
    assert sum(len(statement.text) for statement in split_script(script)) <= len(script)
