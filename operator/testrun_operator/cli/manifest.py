"""The manifest of a TestRun, as the arguments of ``testrun run`` say it; needs no cluster."""

from collections.abc import Sequence
from dataclasses import dataclass

import yaml
from pydantic import ValidationError

from testrun_operator.api.base import Document
from testrun_operator.api.yaml_dumper import KubernetesDumper
from testrun_operator.resources.crds import GROUP, VERSION
from testrun_operator.resources.run import CaseSelector, SuiteReference, TestRunSpec
from testrun_operator.terminal.errors import CannotDo
from testrun_operator.terminal.exits import Exit

_MAX_PREFIX = 57
"""The server adds five characters to ``generateName``, and a dash is put before them."""


@dataclass(frozen=True, slots=True)
class Cases:
    """Cases by name, category or tag."""

    names: Sequence[str] = ()
    categories: Sequence[str] = ()
    tags: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Wanted:
    """A run as the command line asks for it."""

    suite: str
    name: str | None
    """Name of the TestRun; made from the suite's by the server if None."""
    namespace: str | None
    variables: Sequence[str]
    """Each ``NAME=VALUE``."""
    revision: str | None
    select: Cases
    skip: Cases
    parallelism: int | None
    fail_fast: bool


def show_manifest(wanted: Wanted) -> Exit:
    """Print the TestRun.

    Raises:
        CannotDo: a variable is not written NAME=VALUE, or the run breaks a rule.
    """
    # Not by way of a console, which would fold and mend what another program reads.
    print(yaml.dump(make_manifest(wanted), Dumper=KubernetesDumper, sort_keys=False, allow_unicode=True), end="")  # noqa: T201
    return Exit.PASSED


def make_manifest(wanted: Wanted) -> Document:
    """Return the TestRun.

    Raises:
        CannotDo: a variable is not written NAME=VALUE, or the run breaks a rule.
    """
    try:
        spec = TestRunSpec(
            suite_ref=SuiteReference(name=wanted.suite),
            variables=dict(_read_variable(text) for text in wanted.variables),
            revision=wanted.revision,
            select=_selector(wanted.select),
            skip=_selector(wanted.skip),
            fail_fast=wanted.fail_fast,
            parallelism=wanted.parallelism or TestRunSpec.model_fields["parallelism"].default,
        )
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise CannotDo(f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}") from None
    naming = {"name": wanted.name} if wanted.name else {"generateName": f"{wanted.suite[:_MAX_PREFIX]}-"}
    return {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": "TestRun",
        "metadata": naming | ({"namespace": wanted.namespace} if wanted.namespace else {}),
        "spec": spec.model_dump(mode="json", by_alias=True, exclude_defaults=True),
    }


def _read_variable(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise CannotDo(f"--set {text!r} is not of the form NAME=VALUE")
    return name, value


def _selector(cases: Cases) -> CaseSelector:
    return CaseSelector(names=tuple(cases.names), categories=tuple(cases.categories), tags=tuple(cases.tags))
