"""What a playbook case is going to do, before it does it."""

from testrun_operator.kinds.playbook.execution.plan import Credential, Plan
from testrun_operator.kinds.playbook.spec import PlaybookExpectations


def plan_with(payload: dict[str, object], *credentials: str) -> Plan:
    """Return a plan with a payload and with credentials of these names."""
    return Plan(
        url="http://noetl",
        headers={},
        dsns={},
        path="orders",
        payload=payload,  # type: ignore[arg-type]
        register=None,
        credentials=tuple(Credential(name, "postgres", {"db_password": "x"}) for name in credentials),
        expect=PlaybookExpectations(),
        outputs={},
        connection="noetl",
    )


def test_texts_of_the_payload_under_names_of_secrets_are_secrets() -> None:
    """At any depth, and all that is below such a name."""
    payload = {"city": "Baku", "login": [{"password": "one"}], "api_key": {"a": ["two", 3], "b": "three"}}
    assert set(plan_with(payload).secrets) == {"one", "two", "three"}


def test_the_name_of_a_credential_that_the_case_registers_is_no_secret() -> None:
    """Masked, it would be missing from every message that is about it."""
    payload = {"credential": "orders_database", "other_credential": "something"}
    assert plan_with(payload, "orders_database").secrets == ("something",)
