"""What is written as YAML is read as a text by Kubernetes, whose reader is another one."""

import pytest
import yaml

from testrun_operator.api.yaml_dumper import KubernetesDumper


def written(value: object) -> str:
    """Write a value on one line."""
    text: str = yaml.dump(value, Dumper=KubernetesDumper)
    return text.removesuffix("\n").removesuffix("\n...")


@pytest.mark.parametrize(
    "text", ["4511e07", "1e3", "-1E5", "12E+2", "1_000", "0o14", "0b11", "0x1F", "y", "N", "no", "1.10", "010", "null"]
)
def test_a_text_that_a_reader_in_go_takes_for_something_else_is_quoted(text: str) -> None:
    """A commit, a version or an answer stays what it was."""
    assert written(text) == f"'{text}'"


@pytest.mark.parametrize("text", ["4f2c1d", "e07", "yes-or-no", "nightly", "1.2.3", "v1", "12ab", "0y"])
def test_other_texts_stay_plain(text: str) -> None:
    """Quotes where they are needed, and no others."""
    assert written(text) == text


@pytest.mark.parametrize(("value", "plain"), [(5, "5"), (True, "true"), (None, "null"), (1.5, "1.5")])
def test_what_is_no_text_is_written_as_what_it_is(value: object, plain: str) -> None:
    """Numbers and truth values have no quotes."""
    assert written(value) == plain


def test_a_key_is_quoted_like_a_value() -> None:
    """A matrix may have the axis `y`."""
    assert written({"y": "n"}) == "'y': 'n'"
