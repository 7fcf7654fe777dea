"""Secrets are masked wherever they appear, in whatever form."""

import json
import time
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.builders import NOON, playbook_case, seconds, suite_of
from testrun_operator.api.environment import credential_prefix
from testrun_operator.api.report import ExecutionReport, ReportedEvent
from testrun_operator.masking import MIN_SECRET_LENGTH, Masker, mask_execution
from testrun_operator.resources.document import CaseDocument, RunInfo
from testrun_operator.runner.secrets import masker_for

SECRETS = st.text(min_size=MIN_SECRET_LENGTH, max_size=30).filter(
    lambda secret: len(secret.strip()) >= MIN_SECRET_LENGTH and "*" not in secret
)


@given(secret=SECRETS, around=st.tuples(st.text(max_size=20), st.text(max_size=20)))
def test_a_secret_never_remains_in_a_text(secret: str, around: tuple[str, str]) -> None:
    """Whatever stands around it."""
    assert secret not in Masker([secret]).text(f"{around[0]}{secret}{around[1]}")


@given(secret=SECRETS.filter(lambda secret: secret.isprintable()))
def test_a_secret_is_found_as_json_and_in_an_address(secret: str) -> None:
    """An API that echoes a secret in its own notation does not get it into the report."""
    for form in (json.dumps({"echo": secret}), f"http://api/?q={quote(secret, safe='')}", repr([secret])):
        masked = Masker([secret]).text(form)
        assert "***" in masked
        assert secret.strip() not in masked


def test_a_value_is_masked_in_its_keys_and_texts() -> None:
    """Outputs are JSON values."""
    masked = Masker(["s3cret"]).value({"a s3cret": ["x", {"y": "s3cret!"}, 1, None]})
    assert masked == {"a ***": ["x", {"y": "***!"}, 1, None]}


def test_an_excerpt_is_masked_before_it_is_cut() -> None:
    """No half of a secret remains at the end of an excerpt."""
    assert Masker(["abcdefgh"]).excerpt("12345abcdefgh", limit=8) == "12345***"


def test_a_longer_secret_is_masked_before_one_that_it_contains() -> None:
    """Otherwise its rest would remain."""
    assert Masker(["pass", "password"]).text("my password") == "my ***"


def test_a_secret_with_a_line_break_at_its_end_is_masked_without_it() -> None:
    """Secrets that were made from files often end with a line break, which is not sent."""
    assert Masker(["s3cret\n"]).text("Bearer s3cret;") == "Bearer ***;"


@pytest.mark.parametrize("secret", ["", "abc"])
def test_a_value_that_is_too_short_is_not_masked(secret: str) -> None:
    """It would be found everywhere."""
    assert Masker([secret]).text("abc abcabc") == "abc abcabc"


def test_an_excerpt_is_one_line_of_printable_characters() -> None:
    """An API cannot write to the terminal or to the log what it likes, nor what PostgreSQL refuses to store."""
    assert Masker([]).excerpt("a\r\n\tb\x1b[2J\x00\ud800") == r"a b\x1b[2J\x00\ud800"


PLAIN = (
    "db_host",
    "db_port",
    "db_name",
    "db_user",
    "HOST",
    "port",
    "Database",
    "user",
    "username",
    "schema",
    "sslmode",
)


def masker_of(**fields: str) -> Masker:
    """Return the masker of a playbook case with one credential."""
    (case,) = suite_of(playbook_case("one")).cases
    run = RunInfo(id="1", name="a", namespace="b", suite="c", start_time=NOON)
    document = CaseDocument(run=run, attempt=1, timeout=seconds(60), case=case)
    environment = {f"{credential_prefix(0)}{name}": value for name, value in fields.items()}
    return masker_for(document, environment | {"HOME": "/home/someone"})


@pytest.mark.parametrize("field", ["db_password", "password", "token", "private.key", "service-account", "anything"])
def test_the_fields_of_a_credential_are_secrets(field: str) -> None:
    """Also those of which the name says nothing."""
    assert masker_of(**{field: "hunter22"}).text("no hunter22 here") == "no *** here"


@pytest.mark.parametrize("field", [*PLAIN, "region", "endpoint", "url"])
def test_what_only_says_where_a_credential_leads_is_none(field: str) -> None:
    """A message about a connection that cannot be made is of no use without the host."""
    assert masker_of(**{field: "warehouse"}).text("warehouse does not answer") == "warehouse does not answer"


def test_an_address_without_a_secret_stays_readable() -> None:
    """The usual one."""
    address = "https://storage.example.com/bucket"
    assert masker_of(url=address, endpoint=address).text(f"{address} does not answer") == f"{address} does not answer"


@pytest.mark.parametrize("field", ["url", "endpoint", "dsn", "host"])
def test_a_password_in_an_address_is_a_secret(field: str) -> None:
    """Alone, too: a driver's message may quote it without what stands around it."""
    masker = masker_of(**{field: "postgresql://me:hunter22@warehouse/db"})
    assert "hunter22" not in masker.text("postgresql://me:hunter22@warehouse/db and hunter22")


def test_a_token_in_an_address_is_a_secret() -> None:
    """It may stand in the query."""
    assert "hunter22" not in masker_of(url="https://api.example.com/?key=hunter22").text(
        "asked https://api.example.com/?key=hunter22"
    )


def test_other_variables_of_the_pod_are_no_secrets() -> None:
    """Only those that are filled from Secrets."""
    assert masker_of(password="hunter22").text("/home/someone") == "/home/someone"


def test_an_execution_is_reported_without_secrets_and_with_its_id() -> None:
    """A server may put whatever it likes into its events; an address that would have to be masked is left out."""
    execution = ExecutionReport(
        id="1234567",
        status="s3cret",
        page="http://noetl/s3cret",
        events={"a s3cret": 1},
        last_events=(ReportedEvent(type="s3cret", status="s3cret", node="s3cret", execution="1234567"),),
    )
    masked = mask_execution(execution, Masker(["s3cret", "1234567"]))
    assert "s3cret" not in masked.model_dump_json()
    assert (masked.id, masked.page, masked.last_events[0].execution) == ("1234567", None, "1234567")
    plain = execution.model_copy(update={"page": "http://noetl/1234567"})
    assert mask_execution(plain, Masker(["s3cret"])).page == "http://noetl/1234567"


KEY = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0\nBAQEFAASCBKcwggSjAgEAAo\n-----END PRIVATE KEY-----\n"


def test_each_line_of_a_key_is_a_secret() -> None:
    """A server that quotes one of them would not be caught by the whole."""
    masker = masker_of(key=KEY)
    assert masker.text("cannot read MIIEvQIBADANBgkqhkiG9w0!") == "cannot read ***!"
    assert "MII" not in masker.text(f"got {KEY}")


def test_what_a_file_of_an_account_calls_secret_is_one() -> None:
    """The rest of such a JSON file says which account it is, which messages about it need."""
    account = {"type": "service_account", "client_email": "me@project.example.com", "private_key": KEY, "key": 1}
    masker = masker_of(account=json.dumps(account))
    assert "BAQEFAASCBK" not in masker.text(f"refused: {KEY} and BAQEFAASCBKcwggSjAgEAAo")
    assert masker.text("me@project.example.com was refused") == "me@project.example.com was refused"


@pytest.mark.parametrize("value", ["{not json at all", "[1, 2, 3, 4, 5]", "{" * 100_000, "{}" + "\n" * 9])
def test_a_file_of_any_form_is_masked_as_a_whole(value: str) -> None:
    """What looks like JSON need not be any."""
    assert value not in masker_of(account=value).text(f"got {value}.")


def test_a_large_file_costs_no_more_than_a_few_hundred_masks() -> None:
    """Every mask is looked for in every text."""
    lines = [f"line number {number:06}" for number in range(50_000)]
    masker = masker_of(file="\n".join(lines))
    started = time.monotonic()
    for _ in range(1000):
        masker.text("x" * 1000)
    assert time.monotonic() - started < 10
    assert masker.text(lines[0]) == "***"
