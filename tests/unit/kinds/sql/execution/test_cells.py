"""What cells stand for: texts, NULL, contents of files, digests."""

import hashlib

import pytest

from testrun_operator.kinds.sql.execution.cells import Cells, CellUnreadable
from testrun_operator.kinds.sql.execution.comparing import Expected
from testrun_operator.kinds.sql.project.model import Project

DIGEST = hashlib.sha256(b"x").hexdigest()
PROJECT = Project(
    "project",
    (),
    data={"tests/letters/one.txt": "Grüße\n".encode(), "tests/picture.png": b"\x89PNG\xff", "tests/two.txt": b"2"},
)
CELLS = Cells(PROJECT, "tests/letters/letter.stt")


@pytest.mark.parametrize("cell", ["", "text", "=x=", "=ERROR=", "=FILE", "=FILE:a", "NULL", "__null__", "=SHA256:12="])
def test_most_texts_stand_for_themselves(cell: str) -> None:
    """Only what is written exactly like a special cell is one."""
    assert CELLS.read_input(cell, "text") == cell
    assert CELLS.read_expected(cell) == Expected(cell)
    CELLS.check(cell)


def test_null_is_null() -> None:
    """To be given, and to be expected."""
    assert CELLS.read_input("__NULL__", "text") is None
    assert CELLS.read_expected("__NULL__") == Expected(None)


@pytest.mark.parametrize("cell", ["=FILE:one.txt=", "=FILE: ./one.txt =", "=FILE:../letters/one.txt="])
def test_a_file_is_found_from_the_folder_of_the_test_case(cell: str) -> None:
    """Its content is the value, line break and all."""
    CELLS.check(cell)
    assert CELLS.read_input(cell, "character varying") == "Grüße\n"
    assert CELLS.read_expected(cell) == Expected("Grüße\n", data="Grüße\n".encode())


@pytest.mark.parametrize("type_name", ["bytea", "BLOB", "varbinary(20)", "LONG RAW"])
def test_a_parameter_for_bytes_gets_bytes(type_name: str) -> None:
    """Any other one gets a text, if the file is one."""
    assert CELLS.read_input("=FILE:../picture.png=", type_name) == b"\x89PNG\xff"
    with pytest.raises(CellUnreadable, match="not UTF-8"):
        CELLS.read_input("=FILE:../picture.png=", "text")


def test_a_binary_file_can_be_expected() -> None:
    """Its bytes are what is compared."""
    assert CELLS.read_expected("=FILE:../picture.png=").data == b"\x89PNG\xff"


def test_a_digest_can_be_expected_in_any_case() -> None:
    """As tools print it."""
    assert CELLS.read_expected(f"=SHA256:{DIGEST.upper()}=").sha256 == DIGEST


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("=FILE:../../schema.sql=", "not below the project's folder tests"),
        ("=FILE:../../../etc/passwd=", "not below the project's folder tests"),
        ("=FILE:/etc/passwd=", "not below the project's folder tests"),
        ("=FILE:one.text=", "there is no file 'tests/letters/one.text'; there is tests/letters/one.txt"),
        ("=FILE:../zz=", "the path begins at the folder of tests/letters/letter.stt"),
    ],
)
def test_a_file_that_is_not_there_or_not_ours_is_refused(cell: str, message: str) -> None:
    """Before anything is run, and with what would be right."""
    for read in (CELLS.check, CELLS.read_expected):
        with pytest.raises(CellUnreadable, match=message):
            read(cell)
    with pytest.raises(CellUnreadable, match=message):
        CELLS.read_input(cell, "text")


def test_a_file_that_is_run_alone_has_no_files() -> None:
    """There is no folder that could be meant."""
    alone = Cells(Project("a.stt", (), is_standalone=True), "a.stt")
    with pytest.raises(CellUnreadable, match="run alone"):
        alone.check("=FILE:one.txt=")


def test_a_file_that_went_away_is_said_to_have() -> None:
    """It was there when the tests were checked."""

    class Gone(dict[str, bytes]):
        def __getitem__(self, path: str) -> bytes:
            raise KeyError(f"{path} cannot be read: it is gone")

    cells = Cells(Project("project", (), data=Gone({"tests/one.txt": b""})), "tests/a.stt")
    cells.check("=FILE:one.txt=")
    with pytest.raises(CellUnreadable, match="it is gone"):
        cells.read_expected("=FILE:one.txt=")
