"""Nothing half-made and nothing made by an older recipe is ever found in the cache."""

from pathlib import Path

import pytest

from native.cache import new_entry, recipe_key


def test_the_key_begins_with_the_version() -> None:
    """A person who looks into the cache can see what is what."""
    assert recipe_key("1.37.2", ["a"]).startswith("1.37.2-")


def test_the_same_recipe_has_the_same_key() -> None:
    """A later run finds what an earlier one built."""
    assert recipe_key("1", ["a", "b"]) == recipe_key("1", ["a", "b"])


@pytest.mark.parametrize("other", [["a"], ["ab"], ["b", "a"], ["a", "b", ""], ["a", "bc"], ["ab", "c"]])
def test_another_recipe_has_another_key(other: list[str]) -> None:
    """Neither the order nor where one part ends and the next begins is lost."""
    assert recipe_key("1", other) != recipe_key("1", ["a", "b"])
    assert recipe_key("1", ["a", "bc"]) != recipe_key("1", ["ab", "c"])


def test_an_entry_appears_as_a_whole(tmp_path: Path) -> None:
    """While it is being filled, nobody finds it."""
    target = tmp_path / "cache" / "entry"
    with new_entry(target) as partial:
        (partial / "program").write_text("half")
        assert not target.exists()
    assert (target / "program").read_text() == "half"


def test_a_failed_build_leaves_nothing(tmp_path: Path) -> None:
    """Neither an entry nor the folder in which it was being made."""
    target = tmp_path / "entry"

    def fail() -> None:
        with new_entry(target) as partial:
            (partial / "program").write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]


def test_what_a_killed_build_left_is_removed_by_the_next_one(tmp_path: Path) -> None:
    """A killed process cannot clean up after itself."""
    abandoned = tmp_path / ".partial-abandoned"
    (abandoned / "sources").mkdir(parents=True)
    with new_entry(tmp_path / "entry"):
        pass
    assert not abandoned.exists()


def test_an_entry_that_is_there_already_is_kept(tmp_path: Path) -> None:
    """Two processes may have set out to make the same entry."""
    target = tmp_path / "entry"
    for text in ("first", "second"):
        with new_entry(target) as partial:
            (partial / "program").write_text(text)
    assert (target / "program").read_text() == "first"
