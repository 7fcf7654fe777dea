"""Links are followed inside of a project only; no link, loop or special file hangs or leads out of it."""

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testrun_operator.kinds.sql.project.discovery import NothingToRun, load_file, load_project
from testrun_operator.kinds.sql.project.model import Project

MakeProject = Callable[[Mapping[str, str | bytes]], Path]
TEST = "# TEST CASE\nIt works.\n"
OUT = "is a symbolic link that leads out of the project, which is refused; put the file here itself"


def paths_of(project: Project) -> list[str]:
    """Return the paths of all files that a project loaded."""
    files = [project.schema, *project.sources, *project.tests]
    files += [*project.fixtures.setup.values(), *project.fixtures.teardown.values()]
    return sorted([*(file.path for file in files if file), *project.data])


def test_a_link_inside_of_the_project_is_followed(make_project: MakeProject) -> None:
    """To a file or a folder, wherever in the project that is."""
    root = make_project({"tests/a.stt": TEST, "shared/b.sql": "SELECT 1;", "schema/latest.sql": "SELECT 2;"})
    (root / "src").symlink_to("shared")
    (root / "tests/c.stt").symlink_to("a.stt")
    (root / "tests/deep").symlink_to(root / "shared")
    (root / "schema.sql").symlink_to("schema/latest.sql")
    project = load_project(root)
    assert paths_of(project) == ["schema.sql", "src/b.sql", "tests/a.stt", "tests/c.stt", "tests/deep/b.sql"]
    assert project.schema is not None
    assert (project.schema.text, project.problems) == ("SELECT 2;", ())


def test_a_project_may_itself_be_a_link(make_project: MakeProject, tmp_path: Path) -> None:
    """The root is resolved first."""
    root = make_project({"tests/a.stt": TEST, "src/a.sql": ""})
    (tmp_path / "link").symlink_to(root)
    project = load_project(tmp_path / "link")
    assert (paths_of(project), project.problems, project.name) == (["src/a.sql", "tests/a.stt"], (), "ledger")
    assert load_file(tmp_path / "link/tests/a.stt").tests[0].text == TEST


@pytest.mark.parametrize("target", ["/etc/passwd", "../../secret.stt", "/etc", "../.."])
@pytest.mark.parametrize("path", ["tests/b.stt", "src/b.sql", "tests/fixtures/setup/b.csv", "tests/b", "schema.sql"])
def test_a_link_that_leads_out_is_refused(make_project: MakeProject, tmp_path: Path, path: str, target: str) -> None:
    """To a file or a folder, absolute or relative; nothing of it is loaded."""
    (tmp_path / "secret.stt").write_text(TEST)
    root = make_project({"tests/a.stt": TEST})
    link = root / path
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(target if target.startswith("/") else "../" * (path.count("/") - 1) + target)
    if not link.exists():  # `../..` from another depth
        link.unlink()
        link.symlink_to("/etc/passwd")
    project = load_project(root)
    assert paths_of(project) == ["tests/a.stt"]
    assert [str(problem) for problem in project.problems] == [f"{path}:1: {OUT}"]


def test_a_chain_of_links_that_leads_out_is_refused(make_project: MakeProject, tmp_path: Path) -> None:
    """Each of them looks harmless: what counts is where the last one leads."""
    (tmp_path / "secret.stt").write_text(TEST)
    root = make_project({"tests/a.stt": TEST, "x/y/z": ""})
    (root / "up").symlink_to("x/y/..")
    (root / "tests/b.stt").symlink_to("../up/../../secret.stt")
    project = load_project(root)
    assert [str(problem) for problem in project.problems] == [f"tests/b.stt:1: {OUT}"]


def test_the_folders_of_the_project_may_not_lead_out(make_project: MakeProject, tmp_path: Path) -> None:
    """The message names the link, though no test case is found."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/a.stt").write_text(TEST)
    root = make_project({"README.md": ""})
    (root / "tests").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(NothingToRun, match="tests:1: is a symbolic link that leads out of the project"):
        load_project(root)


def test_loops_and_dead_links_are_problems(make_project: MakeProject) -> None:
    """And do not hang."""
    root = make_project({"tests/a.stt": TEST, "src/deep/a.sql": ""})
    (root / "tests/loop.stt").symlink_to("loop.stt")
    (root / "tests/dead.stt").symlink_to("gone.stt")
    (root / "src/deep/up").symlink_to("..")
    project = load_project(root)
    assert paths_of(project) == ["src/deep/a.sql", "tests/a.stt"]
    assert [str(problem) for problem in project.problems] == [
        "src/deep/up:1: is a link to a folder that it is in, which would go on for ever; remove it",
        "tests/dead.stt:1: is a symbolic link that leads nowhere (No such file or directory); remove it or mend it",
        (
            "tests/loop.stt:1: is a symbolic link that leads nowhere (Too many levels of symbolic links); "
            "remove it or mend it"
        ),
    ]


def test_folders_with_very_many_paths_are_refused_soon(make_project: MakeProject) -> None:
    """With two links in each of 40 folders there are 2 to the 40 paths to the last."""
    root = make_project({"tests/a.stt": TEST} | {f"tests/d{number}/x": "" for number in range(41)})
    for number in range(40):
        for name in ("l", "r"):
            (root / f"tests/d{number}/{name}").symlink_to(f"../d{number + 1}")
    begun = time.monotonic()
    with pytest.raises(NothingToRun, match="there are more than"):
        load_project(root)
    assert time.monotonic() - begun < 20


def test_special_files_are_not_read(make_project: MakeProject) -> None:
    """A named pipe would be waited for for ever, and a device has no end."""
    root = make_project({"tests/a.stt": TEST})
    os.mkfifo(root / "tests/pipe.stt")
    os.mkfifo(root / "tests/pipe")
    os.mkfifo(root / "alone.stt")
    project = load_project(root)
    assert paths_of(project) == ["tests/a.stt"]
    assert [str(problem) for problem in project.problems] == ["tests/pipe.stt:1: is not a regular file"]
    assert [str(problem) for problem in load_file(root / "alone.stt").problems] == [
        "alone.stt:1: is not a regular file"
    ]


def test_names_that_are_not_utf_8_are_problems(make_project: MakeProject) -> None:
    """They could not be written into any report."""
    root = make_project({"tests/a.stt": TEST})
    (root / os.fsdecode(b"tests/\xff.stt")).write_text(TEST)
    project = load_project(root)
    assert [str(problem) for problem in project.problems] == ["tests/\\udcff.stt:1: the name of this file is not UTF-8"]


def mount_config_map(mount: Path, files: Mapping[str, str]) -> None:
    """Write files as the kubelet mounts a ConfigMap: in a folder of their own, behind two layers of links."""
    data = mount / "..2026_03_01_12_00_00.123456789"
    for path, content in files.items():
        (data / path).parent.mkdir(parents=True, exist_ok=True)
        (data / path).write_text(content)
    (mount / "..data").symlink_to(data.name)
    for name in {path.partition("/")[0] for path in files}:
        (mount / name).symlink_to(f"..data/{name}")


def test_a_mounted_config_map_is_a_project(tmp_path: Path) -> None:
    """It consists of links, and each file is there twice; it is loaded once."""
    mount_config_map(
        tmp_path,
        {
            "schema.sql": "",
            "src/a.sql": "",
            "tests/deep/a.stt": TEST,
            "tests/fixtures/setup/b/c.sql": "",
            "tests/expected/x": "",
        },
    )
    project = load_project(tmp_path)
    assert paths_of(project) == [
        "schema.sql",
        "src/a.sql",
        "tests/deep/a.stt",
        "tests/expected/x",
        "tests/fixtures/setup/b/c.sql",
    ]
    assert (project.problems, project.notices) == ((), ())


def test_a_folder_of_a_mounted_config_map_is_a_project(tmp_path: Path) -> None:
    """As `path` of the source names it."""
    mount_config_map(tmp_path, {"ledger/tests/a.stt": TEST, "ledger/schema.sql": ""})
    project = load_project(tmp_path / "ledger")
    assert (paths_of(project), project.problems, project.name) == (["schema.sql", "tests/a.stt"], (), "ledger")


NAMES = st.sampled_from(["a", "b", "src", "tests", "x.stt", "y.sql", "..", ".", "secret.stt", "out"])
TARGETS = st.tuples(st.sampled_from(["", "/"]), st.lists(NAMES, min_size=1, max_size=6)).map(
    lambda parts: parts[0] + "/".join(parts[1])
)
PLACES = st.lists(st.sampled_from(["a", "b", "src", "tests", "x.stt", "y.sql"]), min_size=1, max_size=3)


@given(links=st.lists(st.tuples(PLACES, TARGETS), max_size=8))
def test_no_tree_of_links_leads_out(
    tmp_path_factory: pytest.TempPathFactory, links: list[tuple[list[str], str]]
) -> None:
    """Whatever links there are: of the secrets around a project, nothing is ever read."""
    around = tmp_path_factory.mktemp("around", numbered=True)
    root = around / "a" / "project"
    (root / "tests").mkdir(parents=True)
    (root / "tests/good.stt").write_text("# TEST CASE\n")
    for secret in ("secret.stt", "x.stt", "y.sql", "a/secret.stt", "a/x.stt", "a/y.sql"):
        (around / secret).write_text("SECRET")
    for parts, target in links:
        place = root.joinpath(*parts)
        if os.path.lexists(place) or any(os.path.lexists(up) and not up.is_dir() for up in place.parents):
            continue
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
        except OSError:  # through a link that leads nowhere
            continue
        place.symlink_to(str(around) + target if target.startswith("/") else target)
    project = load_project(root)
    texts = [file.text for file in (project.schema, *project.sources, *project.tests) if file]
    assert "SECRET" not in texts
    assert b"SECRET" not in project.data.values()
