"""The operator's settings, from environment variables."""

from datetime import timedelta
from typing import Any

import pytest

from testrun_operator.controller.settings import PREFIX, Settings, read_settings
from testrun_operator.errors import InvalidSettings
from testrun_operator.kube.platform import CasePods, RunnerExtras, ServerPods

DSN = "postgresql://testrun:hunter2@db/testrun"
READ: dict[str, tuple[str, Any]] = {
    "namespace": ("testrun-system", "testrun-system"),
    "pod_name": ("operator-0", "operator-0"),
    "watch_namespaces": ("team-a, team-b,", ("team-a", "team-b")),
    "image": ("registry/operator:2", "registry/operator:2"),
    "image_pull_policy": ("Always", "Always"),
    "image_pull_secrets": ("registry", ("registry",)),
    "runner_resources": ('{"limits": {"memory": "1Gi"}}', {"limits": {"memory": "1Gi"}}),
    "runner": (
        '{"extraEnv": [{"name": "NO_PROXY", "value": "*"}]}',
        RunnerExtras(extra_env=({"name": "NO_PROXY", "value": "*"},)),
    ),
    "cases": ('{"jobLabels": {"team": "quality"}}', CasePods(job_labels={"team": "quality"})),
    "test_servers": ('{"nodeSelector": {"disk": "fast"}}', ServerPods(node_selector={"disk": "fast"})),
    "common_labels": ('{"cost-center": "42"}', {"cost-center": "42"}),
    "random_user_ids": ("true", True),
    "ip_family_policy": ("PreferDualStack", "PreferDualStack"),
    "ip_families": ("IPv6, IPv4", ("IPv6", "IPv4")),
    "standby_is_ready": ("true", True),
    "test_server_namespace": ("servers", "servers"),
    "test_server_node_port": ("0", 0),
    "cluster_domain": ("example.org", "example.org"),
    "store_schema": ("results", "results"),
    "start_timeout": ("10m", timedelta(minutes=10)),
    "image_pull_grace": ("1m", timedelta(minutes=1)),
    "configuration_grace": ("20s", timedelta(seconds=20)),
    "runner_grace": ("30s", timedelta(seconds=30)),
    "max_active_jobs": ("50", 50),
    "status_interval": ("250ms", timedelta(milliseconds=250)),
    "http_port": ("9090", 9090),
    "leader_election": ("false", False),
    "log_level": ("DEBUG", "DEBUG"),
}
WRONG = {
    "HTTP_PORT": "many",
    "TEST_SERVER_NODE_PORT": "70000",
    "STATUS_INTERVAL": "soon",
    "RUNNER_RESOURCES": "{",
    "LEADER_ELECTION": "perhaps",
    "LOG_LEVEL": "LOUD",
    "IMAGE_PULL_POLICY": "Sometimes",
    "COMMON_LABELS": '{"team": "not a label"}',
    "RUNNER": "{",
    "CASES": '{"podLables": {}}',
    "TEST_SERVERS": "[]",
    "RANDOM_USER_IDS": "perhaps",
    "IP_FAMILY_POLICY": "Both",
    "IP_FAMILIES": "IPv5",
    "STANDBY_IS_READY": "perhaps",
}


@pytest.mark.parametrize("name", READ)
def test_each_variable_is_read(name: str) -> None:
    """The prefix and a field's name in upper case set that field."""
    text, value = READ[name]
    settings = read_settings({PREFIX + name.upper(): text})
    assert getattr(settings, name) == value
    assert settings.model_fields_set == {name}


def test_every_setting_is_tested_here() -> None:
    """A new setting needs a line in the table above."""
    assert set(Settings.model_fields) == set(READ) | {"dsn"}


def test_the_dsn_is_read_and_hidden() -> None:
    """The connection string is a secret wherever the settings are shown."""
    settings = read_settings({PREFIX + "DSN": DSN})
    assert settings.dsn is not None
    assert settings.dsn.get_secret_value() == DSN
    assert "hunter2" not in repr(settings) + str(settings)


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_value_names_its_variable_and_never_shows_the_dsn(name: str) -> None:
    """Who reads the log learns what to correct, and no password."""
    with pytest.raises(InvalidSettings, match=f"^{PREFIX}{name}: ") as error:
        read_settings({PREFIX + name: WRONG[name], PREFIX + "DSN": DSN})
    assert "hunter2" not in str(error.value)
    assert error.value.__suppress_context__


def test_a_mistake_inside_of_json_is_named_by_its_place() -> None:
    """A variable may hold a dozen fields; the message says which one is wrong."""
    with pytest.raises(InvalidSettings, match=rf"^{PREFIX}CASES: podLabels\.team: "):
        read_settings({PREFIX + "CASES": '{"podLabels": {"team": "not a label"}}'})


def test_all_wrong_variables_are_named_at_once() -> None:
    """One start is enough to learn of every mistake."""
    with pytest.raises(InvalidSettings) as error:
        read_settings({PREFIX + name: value for name, value in WRONG.items()})
    assert all(PREFIX + name in str(error.value) for name in WRONG)


def test_an_empty_variable_counts_as_absent() -> None:
    """A chart may set a variable to nothing; the default holds then."""
    assert read_settings({PREFIX + name.upper(): "" for name in (*READ, "dsn")}) == Settings()


def test_an_unknown_variable_with_the_prefix_is_refused() -> None:
    """A misspelt name must not be taken for a default."""
    with pytest.raises(InvalidSettings, match=f"^{PREFIX}HTTP_PROT: "):
        read_settings({PREFIX + "HTTP_PROT": "9090"})


def test_other_variables_are_not_looked_at() -> None:
    """The environment is full of things that are none of ours."""
    assert read_settings({"PATH": "/bin", "TESTRUN_RUN_ID": "1"}) == Settings()


def test_the_judge_is_as_patient_as_the_settings_say() -> None:
    """The four limits go on to the judge."""
    judging = read_settings({PREFIX + "START_TIMEOUT": "1m", PREFIX + "RUNNER_GRACE": "2s"}).judging
    assert (judging.start_timeout, judging.runner_grace) == (timedelta(minutes=1), timedelta(seconds=2))
    assert (judging.image_pull_grace, judging.configuration_grace) == (timedelta(seconds=30), timedelta(seconds=15))
