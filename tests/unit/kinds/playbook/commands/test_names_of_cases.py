"""Names of cases are labels, different, and stay the same; categories are those of folders."""

from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from testrun_operator.api.base import Category, DnsLabel
from testrun_operator.kinds.playbook.commands.selection import category_of, name_cases, name_object

_LABEL = TypeAdapter(DnsLabel)
_CATEGORY = TypeAdapter(Category)
_PATHS = st.lists(
    st.text(st.sampled_from("ab/_-.É \U0001f600"), min_size=1, max_size=90) | st.text(min_size=1), max_size=30
)


@given(_PATHS)
def test_every_path_gets_a_label_of_its_own(paths: list[str]) -> None:
    """Whatever is in it."""
    names = name_cases(paths)
    assert set(names) == set(paths)
    assert len(set(names.values())) == len(names)
    for name in names.values():
        _LABEL.validate_python(name)


@given(_PATHS, st.randoms(use_true_random=False))
def test_names_do_not_depend_on_the_order(paths: list[str], random: object) -> None:
    """Of files, or of a catalog."""
    shuffled = list(paths)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert name_cases(paths) == name_cases(shuffled)


def test_names_are_made_of_paths() -> None:
    """They stay when other playbooks come."""
    assert name_cases(["tests/Fixtures/hello_world"]) == {"tests/Fixtures/hello_world": "tests-fixtures-hello-world"}
    assert name_cases(["b/c", "a"])["b/c"] == name_cases(["b/c", "d", "e/f"])["b/c"] == "b-c"
    assert name_cases(["tests/a", "b"], without="tests/") == {"b": "b", "tests/a": "a"}


def test_paths_with_the_same_label_are_told_apart() -> None:
    """Both by their digest, so that neither depends on which was there first."""
    names = name_cases(["a/b_c", "a/b-c"])
    assert all(name.startswith("a-b-c-") for name in names.values())
    assert len(set(names.values())) == 2
    assert len(set(name_cases(["a/b_c", "a/b-c", names["a/b_c"]]).values())) == 3


def test_long_paths_keep_their_beginning() -> None:
    """And get a digest of all of it."""
    one, other = (name_cases(["a" * 80 + end])["a" * 80 + end] for end in "xy")
    assert one[:50] == other[:50] == "a" * 50
    assert one != other


@given(st.text(st.sampled_from("aB1/_-. É"), max_size=100) | st.text())
def test_a_category_is_valid_or_none(folder: str) -> None:
    """Whatever the folder is called."""
    category = category_of(folder)
    if category is not None:
        _CATEGORY.validate_python(category)


def test_a_category_is_the_folder() -> None:
    """As it is; of one that is too deep, the end."""
    assert category_of("data_transfer/http") == "data_transfer/http"
    assert category_of("tests/fixtures/http", without="tests/fixtures/") == "http"
    assert category_of("tests/fixtures", without="tests/fixtures/") is None
    assert category_of("") is None
    assert category_of("my folder/größe") == "my-folder/gr-e"
    assert category_of(f"{'a' * 40}/{'b' * 40}/c") == f"{'b' * 40}/c"


def test_names_of_objects() -> None:
    """A folder may have any name."""
    assert name_object("My Playbooks 2", "noetl") == "my-playbooks-2"
    assert name_object("…", "noetl") == "noetl"
