"""``testrun sql run``: which database, and that its password is not told."""

from collections.abc import Mapping

import pytest

from testrun_operator.databases.dsn import InvalidDsn, read_dsn
from testrun_operator.kinds.sql.commands.addresses import find_database
from testrun_operator.kinds.sql.document import Place, Problem
from testrun_operator.kinds.sql.masking import make_masker, mask_outcome
from testrun_operator.kinds.sql.outcome import (
    Mark,
    ProjectOutcome,
    Step,
    StepKind,
    Stop,
    Stopped,
    TestCaseOutcome,
    TestOutcome,
)
from testrun_operator.terminal.errors import CannotDo

BARE = "postgresql://localhost/scratch"
WHOLE = "postgresql://me:written@localhost/scratch"


@pytest.mark.parametrize(
    ("address", "user", "environment", "expected"),
    [
        (BARE, None, {}, (None, None)),
        (BARE, None, {"DB_USER": "env", "DB_PASSWORD": "secret"}, ("env", "secret")),
        (BARE, "typed", {"DB_USER": "env", "DB_PASSWORD": "secret"}, ("typed", "secret")),
        (WHOLE, None, {"DB_USER": "env", "DB_PASSWORD": "secret"}, ("me", "written")),
        (WHOLE, "me", {"DB_PASSWORD": "secret"}, ("me", "written")),
        (WHOLE, "typed", {"DB_PASSWORD": "secret"}, ("typed", "secret")),
        (None, None, {"DB_URL": WHOLE}, ("me", "written")),
        ("jdbc:postgresql://localhost/scratch?user=me", None, {"DB_PASSWORD": "secret"}, ("me", "secret")),
        (BARE, None, {"DB_URL": WHOLE, "DB_USER": "", "DB_PASSWORD": ""}, (None, None)),
    ],
)
def test_the_command_line_goes_before_the_address_and_that_before_the_environment(
    address: str | None, user: str | None, environment: Mapping[str, str], expected: tuple[str | None, str | None]
) -> None:
    """A password belongs to the user that it is written with."""
    dsn = find_database(address, user, environment)
    assert (dsn.user, dsn.password) == expected


def test_without_an_address_it_is_said_how_to_give_one() -> None:
    """Most commands are typed the first time without it."""
    with pytest.raises(CannotDo, match="--dsn, or set DB_URL"):
        find_database(None, None, {"DB_USER": "me"})


def test_an_address_that_cannot_be_understood_is_not_repeated() -> None:
    """It may have a password in it."""
    with pytest.raises(InvalidDsn) as caught:
        find_database("postgresql://me:hunter2hunter2@host:port/x", None, {})
    assert "hunter2" not in str(caught.value)


def test_the_password_is_masked_wherever_a_database_may_have_repeated_it() -> None:
    """Not where files are named, which are the user's own."""
    place = Place("tests/hunter2hunter2.stt", 1)
    said = "it was hunter2hunter2"
    step = Step(StepKind.BODY, "body", place, False, said, said, said)
    test = TestOutcome("x", place, Mark.FAILED, said, (step,))
    case = TestCaseOutcome("x", place.file, place, Mark.FAILED, (Problem(place, said),), said, (test,))
    outcome = ProjectOutcome((case,), Stopped(Stop.CONNECTION_LOST, said), (Problem(place, said),), 4.0)
    masked = mask_outcome(outcome, make_masker(read_dsn("postgresql://me:hunter2hunter2@localhost/scratch")))
    assert said not in repr(masked)
    assert repr(masked).count("it was ***") == 8
    assert masked.cases[0].file == place.file
    assert (masked.counts, masked.seconds) == (outcome.counts, 4.0)


def test_a_password_that_is_the_users_name_is_no_secret() -> None:
    """Databases of developers mostly have such a one, and messages are full of it."""
    masker = make_masker(read_dsn("postgresql://postgres:postgres@localhost/scratch"))
    assert masker.text('role "postgres" does not exist') == 'role "postgres" does not exist'
