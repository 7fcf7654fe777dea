"""Control groups of both versions are found, and what the kubelet would miss is said."""

from pathlib import Path

from native.cgroups import hierarchies, missing_controllers, with_all_below


def version_1(root: Path, *names: str) -> Path:
    """Make a tree that looks like mounted hierarchies of version 1."""
    for name in names:
        (root / name).mkdir()
        (root / name / "cgroup.procs").write_text("")
    return root


def test_finds_every_hierarchy_of_version_1(tmp_path: Path) -> None:
    """Joint controllers are links to one hierarchy, which counts once."""
    version_1(tmp_path, "cpu,cpuacct", "memory")
    (tmp_path / "cpu").symlink_to("cpu,cpuacct")
    assert [path.name for path in hierarchies(tmp_path)] == ["cpu,cpuacct", "memory"]


def test_finds_the_one_hierarchy_of_version_2(tmp_path: Path) -> None:
    """It is the mount point itself."""
    (tmp_path / "cgroup.controllers").write_text("cpu memory\n")
    assert hierarchies(tmp_path) == [tmp_path]


def test_names_the_controllers_that_are_missing(tmp_path: Path) -> None:
    """A person can then mount them."""
    version_1(tmp_path, "cpu", "cpuacct", "cpuset", "devices", "freezer", "memory")
    assert missing_controllers(tmp_path) == ["pids"]


def test_version_2_has_some_controllers_built_in(tmp_path: Path) -> None:
    """They do not appear in its list, and are there nevertheless."""
    (tmp_path / "cgroup.controllers").write_text("cpuset cpu io memory pids\n")
    assert missing_controllers(tmp_path) == []


def test_misses_everything_where_nothing_is_mounted(tmp_path: Path) -> None:
    """A machine without control groups is told so, not left with a traceback."""
    assert "memory" in missing_controllers(tmp_path / "nowhere")
    assert hierarchies(tmp_path / "nowhere") == []


def test_lists_a_group_before_the_groups_below_it(tmp_path: Path) -> None:
    """The reverse is the order in which they can be removed."""
    (tmp_path / "a" / "b").mkdir(parents=True)
    assert with_all_below(tmp_path / "a") == [tmp_path / "a", tmp_path / "a" / "b"]
