"""A fixture is called by a sentence; what is not found, or found twice, is explained."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testrun_operator.kinds.sql.document import FixtureReference, Place
from testrun_operator.kinds.sql.project.fixtures import FixtureFolder, FixtureMissing, find_fixture, fixture_path
from testrun_operator.kinds.sql.project.model import File


def folder(*paths: str) -> dict[str, File]:
    """Return the files of `setup`."""
    return {path: File(f"tests/fixtures/setup/{path}", "") for path in paths}


def find(name: str, *paths: str) -> str:
    """Return the path that a name finds, without the folder's."""
    reference = FixtureReference(name, Place("tests/a.stt", 3))
    return find_fixture(folder(*paths), reference, setup=True).path.removeprefix("tests/fixtures/setup/")


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("users", "users.sql"),
        ("users", "users.csv"),
        ("Users", "users.SQL"),
        ("Balance / Prepay USER", "balance/prepay_user.sql"),
        ("balance/prepay_user", "balance/prepay_user.sql"),
        ("  a  /  b  /  c d  ", "a/b/c_d.sql"),
        ("two  blanks", "two__blanks.sql"),
        ("It's 100% done!", "it's_100%_done!.sql"),
        ("prepay user", "Prepay_User.sql"),
        ("prepay user", "prepay user.sql"),
        ("Balance / user", "Balance/USER.sql"),
        ("grate some cheese", "grate_some_cheese__.sql"),
        ("Grate some cheese", "Grate_Some_Cheese_.sql"),
        ("clean_", "clean__.sql"),
        ("billing.users", "billing.users.csv"),
        ("caf\u00e9", "cafe\u0301.sql"),
        ("STRASSE", "stra\u00dfe.sql"),
    ],
)
def test_a_name_finds_its_file(name: str, path: str) -> None:
    """With other fixtures around it."""
    others = ("other.sql", "deep/other.csv", "users/x.sql")
    assert find(name, path, *others) == path


@pytest.mark.parametrize(
    ("paths", "found"),
    [
        (("users.sql", "Users.sql", "users_.sql"), "users.sql"),
        (("Users.sql", "users_.sql", "users__.sql"), "Users.sql"),
        (("users_.sql",), "users_.sql"),
    ],
)
def test_the_exact_name_comes_first(paths: tuple[str, ...], found: str) -> None:
    """Then case is ignored, then underscores at the end."""
    assert find("Users", *paths) == found


@pytest.mark.parametrize(
    ("paths", "named"),
    [
        (("users.sql", "users.csv"), "tests/fixtures/setup/users.csv, tests/fixtures/setup/users.sql"),
        (("USERS.sql", "Users.sql"), "tests/fixtures/setup/USERS.sql, tests/fixtures/setup/Users.sql"),
        (("users_.sql", "users__.sql"), "tests/fixtures/setup/users_.sql, tests/fixtures/setup/users__.sql"),
    ],
)
def test_a_name_of_several_files_is_refused(paths: tuple[str, ...], named: str) -> None:
    """Which is meant cannot be known; all are named."""
    with pytest.raises(FixtureMissing) as refused:
        find("users", *paths)
    assert refused.value.message == (
        f"Unable to find fixture 'users': several files have this name: {named}. Rename all but one."
    )


@pytest.mark.parametrize(
    ("name", "paths", "why"),
    [
        (
            "Prepay usr",
            ("prepay_user.sql", "postpay_user.sql", "unrelated.sql"),
            "there is no tests/fixtures/setup/prepay_usr.sql, nor .csv. Similar names: prepay_user, postpay_user.",
        ),
        ("x", ("unrelated.sql",), "there is no tests/fixtures/setup/x.sql, nor .csv."),
        (
            "users.sql",
            ("users.sql",),
            "there is no tests/fixtures/setup/users.sql.sql, nor .csv. Write the name without its ending.",
        ),
        (
            "users",
            (),
            (
                "there is no tests/fixtures/setup/users.sql, nor .csv. "
                "There are no fixtures in tests/fixtures/setup at all."
            ),
        ),
        ("clean_", ("clean.sql",), "there is no tests/fixtures/setup/clean_.sql, nor .csv. Similar names: clean."),
    ],
)
def test_a_name_without_a_file_is_explained(name: str, paths: tuple[str, ...], why: str) -> None:
    """What was looked for, and what there is."""
    with pytest.raises(FixtureMissing) as refused:
        find(name, *paths)
    assert refused.value.message == f"Unable to find fixture '{name}': {why}"


def test_teardown_is_called_teardown() -> None:
    """In the message; a fixture of setup is never taken for AFTER sections."""
    with pytest.raises(FixtureMissing, match="There are no fixtures in tests/fixtures/teardown at all"):
        find_fixture({}, FixtureReference("x", Place("tests/a.stt", 1)), setup=False)


@given(name=st.text(max_size=30), paths=st.lists(st.text(max_size=12).map("{}.sql".format), max_size=8, unique=True))
def test_any_name_finds_a_file_or_is_explained(name: str, paths: list[str]) -> None:
    """Nothing else ever happens, and what is found is one of the files."""
    with contextlib.suppress(FixtureMissing):
        assert find(name, *paths) in paths


@given(st.lists(st.text("aA_b ", min_size=1, max_size=4), max_size=8, unique=True))
def test_each_file_can_be_called_or_is_a_problem(stems: list[str]) -> None:
    """No fixture is out of reach without a word."""
    index = FixtureFolder(folder(*(f"{stem}.sql" for stem in stems)))
    problems = index.problems("tests/fixtures/setup")
    for stem in stems:
        if index.paths_for(fixture_path(stem)) != [f"{stem}.sql"]:
            assert any(f"{stem}.sql" in str(problem) for problem in problems)
    assert len(problems) <= len(stems)


def test_a_list_of_very_many_unknown_names_is_answered_soon() -> None:
    """Similar names are not looked for in a folder of thousands."""
    index = FixtureFolder(folder(*(f"some_rather_long_name_of_a_fixture_{n}.sql" for n in range(9000))))
    for number in range(2000):
        with pytest.raises(FixtureMissing):
            find_fixture(index, FixtureReference(f"unknown {'x' * 30} {number}", Place("a.stt", number)), setup=True)
