"""A packed project is the same project where its ConfigMap is mounted; what does not fit is explained."""

import base64
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from testrun_operator.api.files import FileSource
from testrun_operator.kinds.sql.project import packing
from testrun_operator.kinds.sql.project.discovery import NothingToRun, load_path, load_project
from testrun_operator.kinds.sql.project.model import Project
from testrun_operator.kinds.sql.project.packing import CannotPack, PackedText, key_for, pack, render
from testrun_operator.sources.fetching import fetch_files

MakeProject = Callable[[Mapping[str, str | bytes]], Path]
TEST = "# TEST CASE\nIt works.\n"
FILES: dict[str, str | bytes] = {
    "schema.sql": "CREATE TABLE t (a int);\n",
    "src/a.sql": b"SELECT 1;\r\n",
    "src/notes.txt": "Not packed.",
    "README.md": "Not packed.",
    "tests/billing/charge.stt": TEST,
    "tests/über uns.stt": TEST + "\ttabs, blanks  \n\n",
    "tests/fixtures/setup/users.csv": "id\n1\n",
    "tests/fixtures/teardown/clean/all of it.sql": "",
    "tests/expected/letter.bin": bytes(range(256)),
    "tests/expected/mark.txt": b"\xef\xbb\xbfmark\n",
    "tests/.hidden": "Not packed.",
}


def mount(text: PackedText, folder: Path) -> FileSource:
    """Mount a ConfigMap as the kubelet does, by the printed texts alone; return the case's source."""
    config_map = yaml.safe_load(text.config_map)
    source = FileSource.model_validate(yaml.safe_load(text.source)["source"])
    assert source.config_map is not None
    assert source.config_map.name == config_map["metadata"]["name"]
    values = {key: value.encode() for key, value in config_map.get("data", {}).items()}
    values |= {key: base64.b64decode(value) for key, value in config_map.get("binaryData", {}).items()}
    paths = {item.key: item.path for item in source.config_map.items} or {key: key for key in values}
    data = folder / "..2026_03_01"
    for key, path in paths.items():
        (data / path).parent.mkdir(parents=True, exist_ok=True)
        (data / path).write_bytes(values[key])
    (folder / "..data").symlink_to(data.name)
    for name in {path.partition("/")[0] for path in paths.values()}:
        (folder / name).symlink_to(f"..data/{name}")
    return source


def texts_of(project: Project) -> dict[str, str | bytes]:
    """Return all that a project has, by path."""
    files = [*project.sources, *project.tests, *project.fixtures.setup.values(), *project.fixtures.teardown.values()]
    files += [project.schema] if project.schema else []
    return {file.path: file.text for file in files} | dict(project.data)


def test_a_packed_project_is_the_same_project(make_project: MakeProject, tmp_path: Path) -> None:
    """Each file with each of its bytes, where it was."""
    root = make_project(FILES)
    text = render(pack(root, "ledger-tests"))
    (tmp_path / "mount").mkdir()
    source = mount(text, tmp_path / "mount")
    fetched = fetch_files(source, {}, tmp_path / "unused", mount=tmp_path / "mount")
    project = load_path(fetched.path)
    assert texts_of(project) == texts_of(load_project(root))
    assert len(texts_of(project)) == 8
    assert (project.problems, fetched.label) == ((), "ConfigMap ledger-tests")


def test_a_config_map_can_be_read_and_has_nothing_but_the_files(make_project: MakeProject) -> None:
    """Keys look like paths; texts stand as they are; no label, no annotation, no time."""
    text = render(pack(make_project({"tests/a.stt": TEST, "schema.sql": "SELECT 1;\n"}), "ledger", namespace="team"))
    assert text.config_map == (
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: ledger\n  namespace: team\n"
        "data:\n  schema.sql: |\n    SELECT 1;\n  tests__a.stt: |\n    # TEST CASE\n    It works.\n"
    )
    assert text.source == (
        "source:\n  configMap:\n    name: ledger\n    items:\n"
        "      - {key: schema.sql, path: schema.sql}\n      - {key: tests__a.stt, path: tests/a.stt}\n"
    )


@pytest.mark.parametrize("name", ["charge.stt", "Über uns, 1.STT"])
def test_a_single_file_is_packed_alone(make_project: MakeProject, tmp_path: Path, name: str) -> None:
    """The lines of the case name it, since the ConfigMap is no project then."""
    packed = pack(make_project({name: TEST, "other.stt": TEST}) / name, "charge")
    (tmp_path / "mount").mkdir()
    source = mount(render(packed), tmp_path / "mount")
    fetched = fetch_files(source, {}, tmp_path / "unused", mount=tmp_path / "mount")
    project = load_path(fetched.path)
    assert ([file.path for file in project.tests], project.tests[0].text, project.is_standalone) == ([name], TEST, True)
    assert [item.path for item in packed.items] == [name]


def test_more_than_a_config_map_holds_is_refused(make_project: MakeProject) -> None:
    """With the largest files, and what to do."""
    files = {f"tests/{number}.stt": b"#" * (100_000 + number) for number in range(10)}
    root = make_project(files | {"tests/big.bin": b"0" * 48_531})
    assert pack(root, "just-right").total_bytes == 1_048_576
    (root / "tests/9.stt").write_bytes(b"#" * 100_010)
    with pytest.raises(CannotPack) as refused:
        pack(root, "too-large")
    assert refused.value.message == (
        "the files have 1,048,577 bytes, and a ConfigMap holds 1,048,576. The largest: tests/9.stt (100,010), "
        "tests/8.stt (100,008), tests/7.stt (100,007), tests/6.stt (100,006), tests/5.stt (100,005). "
        "Take the files from Git instead (source.git), or make several projects of it, each with a ConfigMap and a "
        "case of its own"
    )


def test_a_large_config_map_says_how_it_is_applied(make_project: MakeProject) -> None:
    """Without --server-side, kubectl would keep a copy in an annotation, which is too large for one."""
    root = make_project({"tests/a.stt": TEST + "x" * 300_000})
    assert render(pack(root, "large")).config_map.startswith(
        "# Too large for a plain kubectl apply; use: kubectl apply"
    )
    assert "#" not in render(pack(make_project({"tests/a.stt": "x" * 10}), "small")).config_map


def test_more_files_than_a_case_can_name_are_refused(
    make_project: MakeProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The list of items is a part of the suite."""
    monkeypatch.setattr(packing, "MAX_ITEMS", 2)
    assert len(pack(make_project({"tests/a.stt": TEST, "tests/b.stt": TEST}), "x").items) == 2
    with pytest.raises(CannotPack, match=r"there are 3 files, and a case can name at most 2 of a ConfigMap\. Take the"):
        pack(make_project({"tests/c.stt": TEST}), "x")


def test_the_limits_are_those_of_the_api() -> None:
    """A case must be able to name what was packed."""
    items = FileSource.model_json_schema(by_alias=True)["$defs"]["ConfigMapFiles"]["properties"]["items"]
    assert items["maxItems"] == packing.MAX_ITEMS


@pytest.mark.parametrize("name", ["", "Ledger", "a_b", "-a", "a-", "a" * 254, "a\n", "größe"])
def test_the_name_must_be_one_of_a_config_map(make_project: MakeProject, name: str) -> None:
    """The API server would refuse it."""
    with pytest.raises(CannotPack, match="is not a name for a ConfigMap"):
        pack(make_project({"tests/a.stt": TEST}), name)


def test_a_project_with_problems_is_not_packed(make_project: MakeProject) -> None:
    """Once packed, a link that leads out would be gone without a word."""
    root = make_project({"tests/a.stt": TEST})
    (root / "tests/b.stt").symlink_to("/etc/passwd")
    with pytest.raises(CannotPack, match=r"which a ConfigMap would hide: tests/b\.stt:1: is a symbolic link"):
        pack(root, "x")
    (root / "bad.stt").write_bytes(b"\xff")
    with pytest.raises(CannotPack, match=r"bad\.stt:1: has a byte that is not UTF-8"):
        pack(root / "bad.stt", "x")


def test_without_tests_nothing_is_packed(make_project: MakeProject) -> None:
    """As nothing would be run."""
    with pytest.raises(NothingToRun):
        pack(make_project({"schema.sql": ""}), "x")


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=400), max_size=12, unique=True))
def test_keys_are_unique_and_allowed(paths: list[str]) -> None:
    """Whatever the paths are."""
    taken: list[str] = []
    for path in paths:
        key = key_for(path, taken)
        assert key not in taken
        assert 1 <= len(key) <= 253
        assert set(key) <= set("-._abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
        assert key != "."
        assert not key.startswith("..")
        taken.append(key)


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("schema.sql", "schema.sql"),
        ("tests/billing/charge.stt", "tests__billing__charge.stt"),
        ("tests/über uns.stt", "tests___ber_uns.stt"),
    ],
)
def test_keys_are_readable(path: str, key: str) -> None:
    """A slash is two underscores, what a key cannot have is one."""
    assert key_for(path) == key
    again = key_for(path, [key])
    assert again.startswith(key.rpartition(".")[0] + "-")
    assert again.endswith(key.rpartition(".")[2])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.one_of(
        st.binary(max_size=40),
        st.text(st.sampled_from(" \n\t\r#:-|>'\"a\x85\u2028\x00\ufeff é\U0001f600"), max_size=30).map(str.encode),
    )
)
def test_any_content_arrives_as_it_is(make_project: MakeProject, content: bytes) -> None:
    """Blanks at ends of lines, indented first lines, all kinds of ends of lines, what is no text at all."""
    text = render(pack(make_project({"tests/a.stt": TEST, "tests/any": content}), "x"))
    config_map = yaml.safe_load(text.config_map)
    key = "tests__any"
    found = config_map["data"].get(key)
    arrived = base64.b64decode(config_map["binaryData"][key]) if found is None else found.encode()
    assert arrived == content
