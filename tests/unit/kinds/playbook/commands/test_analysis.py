"""Credentials and playbooks that a playbook asks its server for."""

import pytest
from tests.unit.kinds.playbook.commands.playbooks import workflow

POSTGRES = "kind: postgres, query: SELECT 1"


@pytest.mark.parametrize(
    "auth",
    [
        "auth: pg_k8s",
        'auth: "{{ workload.pg_auth }}"',
        'auth: "{{ pg_auth }}"',
        "auth: \"{{ workload.other | default('pg_k8s') }}\"",
        'auth: "pg_{{ workload.place }}"',
        "auth: {source: credential, key: pg_k8s, type: postgres}",
        "auth: {type: postgres, credential: pg_k8s}",
        "auth: {type: postgres, name: pg_k8s}",
        "auth: {db: {type: postgres, credential: pg_k8s}}",
        'auth: {db: {source: credential, key: "{{ workload.pg_auth }}"}}',
        "auth: {db: pg_k8s}",
        "credential: pg_k8s",
        "credentials: {db: {key: pg_k8s}}",
        "credentials: [pg_k8s]",
        "source: {type: postgres, auth: pg_k8s}",
        "loop: {cursor: {kind: postgres, auth: pg_k8s}}",
        "output: {store: {kind: s3, credential: pg_k8s}}",
    ],
)
def test_a_credential_is_found_in_all_spellings(auth: str) -> None:
    """Of the step, and of its tool; by the workload's defaults where it is named there."""
    workload = "{pg_auth: pg_k8s, place: k8s}"
    assert workflow(f"- {{step: go, tool: {{{POSTGRES}, {auth}}}}}", workload=workload).credentials.resolved == (
        "pg_k8s",
    )
    assert workflow(f"- {{step: go, tool: postgres, {auth}}}", workload=workload).credentials.resolved == ("pg_k8s",)


@pytest.mark.parametrize(
    "auth",
    [
        "auth: {source: secret, name: token}",
        "auth: {source: env, key: TOKEN}",
        "auth: {type: bearer, token: abc}",
        "headers: {auth: token}",
        "args: {credential: name}",
        'auth: ""',
        "auth: null",
    ],
)
def test_what_is_no_credential_of_the_server_is_none(auth: str) -> None:
    """Its environment, a value, or data."""
    assert workflow(f"- {{step: go, tool: {{kind: http, {auth}}}}}").credentials.resolved == ()


def test_what_only_the_run_knows_is_told_as_such() -> None:
    """It may be anything."""
    found = workflow('- {step: go, tool: {kind: http, auth: "{{ iter.auth }}"}}').credentials
    assert (found.resolved, found.unresolved) == ((), ("{{ iter.auth }}",))


def test_templates_are_looked_up_and_not_evaluated() -> None:
    """A value that names itself has no end, and one that calculates is not known."""
    step = '- {step: go, tool: {kind: http, auth: "{{ workload.a }}"}}'
    for value in ('"{{ workload.a }}"', '"{{ 6 * 7 }}"', "[1]", '"{% if x %}a{% endif %}"'):
        assert workflow(step, workload=f"{{a: {value}}}").credentials.resolved == ()


def test_the_keychain_names_credentials() -> None:
    """What it makes of them goes by names of its own."""
    more = """
        keychain:
          - {name: token, kind: oauth2, auth: "{{ gcp }}"}
          - {name: db, kind: credential_ref, ref: pg_k8s}
          - {name: google, kind: google_oauth}
        """
    steps = """
        - {step: one, tool: {kind: http, auth: token}}
        - {step: two, tool: {kind: http, auth: "{{ keychain.token.value }}"}}
        """
    found = workflow(steps, workload="{gcp: google_key}", more=more).credentials
    assert found.resolved == ("google_key", "pg_k8s", "google")
    assert found.unresolved == ()


@pytest.mark.parametrize(
    "step",
    [
        "tool: playbook, path: a/child",
        "type: playbook, path: a/child",
        "tool: {kind: playbook, path: a/child}",
        'tool: {kind: playbook, path: "{{ workload.child }}"}',
        "tool: [{run: {kind: playbook, path: a/child}}]",
        "tool: iterator, task: {tool: playbook, path: a/child}",
    ],
)
def test_playbooks_that_it_starts_are_found(step: str) -> None:
    """In all spellings."""
    assert workflow(f"- {{step: go, {step}}}", workload="{child: a/child}").children.resolved == ("a/child",)


def test_paths_of_other_tools_are_no_playbooks() -> None:
    """Files, for instance."""
    assert workflow("- {step: go, tool: {kind: http, path: /api}}").children.resolved == ()


SEQUENTIAL = [
    "next: [{step: b}]",
    "next: b",
    "next: {arcs: [{step: b}, {step: c}]}",
    "next: {spec: {mode: exclusive}, arcs: [{step: b}, {step: c}]}",
    "next: {spec: {mode: inclusive}, arcs: [{step: b, when: x}, {step: c, when: y}]}",
    "next: [{when: x, then: [{step: b}]}, {else: [{step: c}]}]",
    "next: [{step: b, when: x}, {step: c, when: y}]",
]
PARALLEL = [
    "next: [{step: b}, {step: c}]",
    "next: [b, c]",
    "next: {spec: {mode: inclusive}, arcs: [{step: b}, {step: c}]}",
    "next: [{when: x, then: [{step: b}, {step: c}]}]",
]


@pytest.mark.parametrize(
    ("following", "expected"), [(one, True) for one in SEQUENTIAL] + [(one, False) for one in PARALLEL]
)
def test_whether_steps_come_one_after_the_other(following: str, *, expected: bool) -> None:
    """By what follows a step, in all generations."""
    assert workflow(f"- {{step: a, {following}}}").is_sequential is expected
