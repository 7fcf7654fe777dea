"""Where a container case may leave JUnit XML."""

import pytest

from support.builders import container_case, suite_document
from testrun_operator.api.junit import split_pattern
from testrun_operator.errors import InvalidSpec
from testrun_operator.resources.parsing import parse_suite

RIGHT = [
    "/reports/*.xml",
    "/reports/junit.xml",
    "/reports/**/*.xml",
    "/reports/unit/TEST-?.xml",
    "/app/target/surefire-reports/TEST-*.xml",
    "/.cache/.reports/**",
    "/a/a.b-c_d@e+f.xml",
]
WRONG = [
    "",
    "/",
    "/*.xml",
    "/junit.xml",
    "/**/*.xml",
    "reports/*.xml",
    "/reports/",
    "/reports//a.xml",
    "/reports/../etc/*.xml",
    "/reports/./a.xml",
    "/reports/$(TESTRUN_VAR_a)/*.xml",
    "/reports/[ab].xml",
    "/reports/a b.xml",
    "/reports/{a,b}.xml",
    "/reports\n/a.xml",
    "/r" + "/a" * 126 + "/",
]


def parse(pattern: str) -> str | None:
    """Read a suite with a pattern."""
    suite = parse_suite(suite_document(container_case("one", container={"image": "busybox", "junit": pattern})))
    assert suite.cases[0].container is not None
    return suite.cases[0].container.junit


@pytest.mark.parametrize("pattern", RIGHT)
def test_a_pattern_is_an_absolute_path_with_stars_in_its_last_parts(pattern: str) -> None:
    """What stands before the first star is a folder that can be mounted, and the rest is what is looked for in it."""
    assert parse(pattern) == pattern
    folder, inner = split_pattern(pattern)
    assert f"{folder}/{inner}" == pattern
    assert folder != "/"
    assert "*" not in folder


@pytest.mark.parametrize("pattern", WRONG)
def test_any_other_pattern_is_refused_by_the_fields_name(pattern: str) -> None:
    """The root cannot be mounted, nothing leads out of the folder, and nothing is expanded."""
    with pytest.raises(InvalidSpec, match=r"spec\.cases\[0\]\.container\.junit: "):
        parse(pattern)
