"""Files come from the case itself or from a mounted ConfigMap; what is not there is explained by its field."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from testrun_operator.api.files import FileSource
from testrun_operator.api.reason import Reason
from testrun_operator.kinds.sql.project.discovery import load_path
from testrun_operator.runner.problem import InvalidCase
from testrun_operator.sources.fetching import fetch_files

TEST = "# TEST CASE\nIt works.\n"


def mounted(folder: Path, files: Mapping[str, str]) -> Path:
    """Write files as the kubelet mounts a ConfigMap."""
    data = folder / "files" / "..2026_03_01"
    data.mkdir(parents=True)
    (folder / "files" / "..data").symlink_to(data.name)
    for path, content in files.items():
        (data / path).parent.mkdir(parents=True, exist_ok=True)
        (data / path).write_text(content)
        top = folder / "files" / path.partition("/")[0]
        if not top.is_symlink():
            top.symlink_to(f"..data/{top.name}")
    return folder / "files"


def config_map(path: str | None = None, items: Mapping[str, str] | None = None) -> FileSource:
    """Return a source from a ConfigMap."""
    listed = [{"key": key, "path": value} for key, value in (items or {}).items()]
    fields = {"name": "ledger"} | ({"items": listed} if listed else {}) | ({"path": path} if path else {})
    return FileSource.model_validate({"configMap": fields})


def test_inline_text_is_a_file(tmp_path: Path) -> None:
    """With each of its characters, ends of lines among them."""
    text = "# TEST CASE\r\n\ufeffIt works.\n\u2028é"
    fetched = fetch_files(FileSource(inline=text), {}, tmp_path)
    assert (fetched.path, fetched.label, fetched.commit) == (tmp_path / "inline.stt", "the case itself", None)
    assert fetched.path.read_bytes() == text.encode()
    assert load_path(fetched.path).tests[0].text == text
    other = fetch_files(FileSource(inline="a: 1"), {}, tmp_path, inline_name="playbook.yaml")
    assert other.path.name == "playbook.yaml"


def test_a_config_map_is_used_where_it_is_mounted(tmp_path: Path) -> None:
    """Nothing is copied."""
    mount = mounted(tmp_path, {"ledger/tests/a.stt": TEST, "b.stt": TEST})
    whole = fetch_files(config_map(), {}, tmp_path / "unused", mount=mount)
    assert (whole.path, whole.label) == (mount, "ConfigMap ledger")
    folder = fetch_files(config_map("ledger/"), {}, tmp_path / "unused", mount=mount)
    assert (folder.path, folder.label) == (mount / "ledger", "ConfigMap ledger, ledger")
    file = fetch_files(config_map("b.stt"), {}, tmp_path / "unused", mount=mount)
    assert [case.path for case in load_path(file.path).tests] == ["b.stt"]
    assert [case.path for case in load_path(folder.path).tests] == ["tests/a.stt"]


@pytest.mark.parametrize("exists", [True, False])
def test_a_config_map_that_is_not_there_is_a_fault_of_the_case(tmp_path: Path, exists: bool) -> None:
    """Its pod starts all the same, so that this can be said."""
    mount = mounted(tmp_path, {}) if exists else tmp_path / "nothing"
    with pytest.raises(InvalidCase) as refused:
        fetch_files(config_map(), {}, tmp_path, mount=mount)
    assert refused.value.reason is Reason.INVALID_CASE
    assert refused.value.message == (
        "sql.source.configMap.name: there is no ConfigMap ledger in the run's namespace, or it is empty"
    )


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            config_map(items={"b.stt": "b.stt", "c.stt": "tests/c.stt"}),
            "items[1].key: the ConfigMap ledger has no key 'c.stt'",
        ),
        (config_map(items={"b.stt": "../b.stt"}), "items[0].path: '../b.stt' must not contain '..'"),
        (config_map("tests"), "path: the ConfigMap's files have no 'tests'; there is b.stt, ledger, out"),
        (config_map("ledger/../b.stt"), "path: 'ledger/../b.stt' must not contain '..'"),
        (config_map("./b.stt"), "path: './b.stt' must be a plain path such as 'database/tests', without '.' and empty"),
        (config_map("out"), "path: 'out' leads out of the ConfigMap's files"),
        (config_map("out/secret.stt"), "path: 'out/secret.stt' leads out of the ConfigMap's files"),
    ],
)
def test_what_a_config_map_does_not_have_is_explained(tmp_path: Path, source: FileSource, message: str) -> None:
    """By the field that is wrong."""
    (tmp_path / "secret.stt").write_text(TEST)
    mount = mounted(tmp_path, {"ledger/tests/a.stt": TEST, "b.stt": TEST})
    (mount / "out").symlink_to(tmp_path)
    with pytest.raises(InvalidCase) as refused:
        fetch_files(source, {}, tmp_path / "unused", mount=mount)
    assert refused.value.message.startswith(f"sql.source.configMap.{message}")


def test_the_field_is_the_callers(tmp_path: Path) -> None:
    """Other kinds of cases have sources, too."""
    with pytest.raises(InvalidCase, match=r"^playbook\.source\.configMap\.name: "):
        fetch_files(config_map(), {}, tmp_path, mount=tmp_path / "nothing", field="playbook.source")
    source = FileSource.model_validate({"git": {"url": "{{ vars.url }}"}})
    with pytest.raises(InvalidCase, match=r"^playbook\.source\.git\.url: "):
        fetch_files(source, {}, tmp_path, field="playbook.source")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.one_of(
        st.lists(st.sampled_from(["..", ".", "", "a", "b", "up", "root"]), min_size=1, max_size=8).map("/".join),
        st.text(min_size=1, max_size=20),
    ).filter(lambda path: not path.startswith("/") and "\0" not in path)
)
def test_no_path_leads_out_of_a_config_map(tmp_path_factory: pytest.TempPathFactory, path: str) -> None:
    """Neither by `..` nor through links."""
    folder = tmp_path_factory.mktemp("around")
    mount = mounted(folder, {"a/b/a": "", "b": ""})
    (mount / "..2026_03_01" / "a" / "up").symlink_to("../../..")
    (mount / "root").symlink_to("/")
    try:
        fetched = fetch_files(config_map(path), {}, folder, mount=mount)
    except InvalidCase:
        return
    assert mount.resolve() in (fetched.path.resolve(), *fetched.path.resolve().parents)
