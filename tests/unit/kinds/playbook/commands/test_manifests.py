"""``--register configMap``: each case finds its playbook, and what that starts, in one ConfigMap."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from support.command_line import Invoke
from testrun_operator.api.files import ConfigMapFiles
from testrun_operator.resources.parsing import parse_suite


def playbook(path: str, *children: str, size: int = 0) -> str:
    """Make a playbook that starts others."""
    steps = "".join(
        f"- {{step: s{index}, tool: {{kind: playbook, path: {path}}}}}\n" for index, path in enumerate(children)
    )
    text = f"kind: Playbook\nmetadata: {{path: {path}}}\nworkflow:\n{steps or '- {step: go, tool: noop}'}\n"
    return text + "# €\n" * (size // 6)


def _make(
    invoke: Invoke, folder: Path, **playbooks: str
) -> tuple[dict[str, dict[str, str]], dict[str, ConfigMapFiles]]:
    """Write the suite; give the ConfigMaps' texts by name, and where each case finds its own."""
    folder.mkdir()
    for name, text in playbooks.items():
        (folder / f"{name}.yaml").write_bytes(text.encode())
    result = invoke("noetl", "suite", str(folder), "--register", "configMap", "-n", "shop")
    assert result.exit_code == 0, result.stderr
    documents: list[dict[str, Any]] = list(yaml.safe_load_all(result.stdout))
    maps = {one["metadata"]["name"]: one["data"] for one in documents[:-1]}
    assert all(one["kind"] == "ConfigMap" and one["metadata"]["namespace"] == "shop" for one in documents[:-1])
    assert all(sum(len(text.encode()) for text in data.values()) <= 1024 * 1024 for data in maps.values())
    sources = {}
    for case in parse_suite(documents[-1]["spec"]).cases:
        assert case.playbook is not None
        assert case.playbook.register is not None
        assert case.playbook.register.config_map is not None
        sources[case.playbook.path] = case.playbook.register.config_map
    return maps, sources


def _texts(maps: dict[str, dict[str, str]], source: ConfigMapFiles) -> list[str]:
    keys = [item.key for item in source.items] or [source.path]
    return [maps[source.name][str(key)] for key in keys]


def test_a_playbook_is_registered_as_it_is_written(invoke: Invoke, tmp_path: Path) -> None:
    """Byte for byte."""
    text = playbook("a") + "# trailing blanks   \r\n#\ttab\n\n\n"
    maps, sources = _make(invoke, tmp_path / "books", a=text)
    assert _texts(maps, sources["a"]) == [text]
    assert sources["a"].name == "books-playbooks"


def test_what_a_playbook_starts_is_registered_with_it(invoke: Invoke, tmp_path: Path) -> None:
    """Also what that starts; what is not in the folder is somewhere else."""
    texts = {"a": playbook("a", "b", "elsewhere"), "b": playbook("b", "c"), "c": playbook("c", "a"), "d": playbook("d")}
    maps, sources = _make(invoke, tmp_path / "books", **texts)
    assert _texts(maps, sources["a"]) == [texts["a"], texts["b"], texts["c"]]
    assert sorted(_texts(maps, sources["c"])) == sorted(_texts(maps, sources["a"]))
    assert _texts(maps, sources["d"]) == [texts["d"]]


def test_there_are_as_many_config_maps_as_are_needed(invoke: Invoke, tmp_path: Path) -> None:
    """What belongs together stays together, and bytes count, not characters."""
    texts = {name: playbook(name, size=400_000) for name in "abcd"}
    texts["e"] = playbook("e", "d", size=300_000)
    maps, sources = _make(invoke, tmp_path / "books", **texts)
    assert list(maps) == ["books-playbooks", "books-playbooks-2"] or len(maps) == 3
    assert sources["e"].name == sources["d"].name
    for name, text in texts.items():
        assert text in _texts(maps, sources[name])


def test_what_belongs_together_and_is_too_large_is_refused(invoke: Invoke, tmp_path: Path) -> None:
    """With another way."""
    for name, text in {"a": playbook("a", "b", size=600_000), "b": playbook("b", size=600_000)}.items():
        (tmp_path / f"{name}.yaml").write_text(text)
    result = invoke("noetl", "suite", str(tmp_path), "--register", "configMap")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "a ConfigMap holds 1 MiB" in result.stderr


@pytest.mark.parametrize("names", [("a b", "a_b"), ("a", "b")])
def test_files_get_keys_of_their_own(invoke: Invoke, tmp_path: Path, names: tuple[str, str]) -> None:
    """Also where only characters that no key may have tell them apart."""
    maps, sources = _make(invoke, tmp_path / "books", **{name: playbook(f"p/{name}") for name in names})
    assert sorted(text for data in maps.values() for text in data.values()) == sorted(
        playbook(f"p/{name}") for name in names
    )
    assert len({source.path for source in sources.values()}) == 2
