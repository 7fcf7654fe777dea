"""``testrun run``: makes a TestRun of a suite, and waits for it where that is asked for."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import yaml
from pydantic import ValidationError

from testrun_operator.api.base import Document
from testrun_operator.api.crds import GROUP, VERSION
from testrun_operator.api.run import CaseSelector, SuiteReference, TestRunSpec
from testrun_operator.cli.cluster import open_run
from testrun_operator.cli.errors import CannotDo
from testrun_operator.cli.exits import Exit
from testrun_operator.cli.suites import check_suite_is_valid
from testrun_operator.cli.terminal import clean, make_console, show
from testrun_operator.cli.waiting import wait_and_tell
from testrun_operator.kube.client import TESTRUNS, Refused

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


async def run_suite(wanted: Wanted, *, wait: bool, limit: timedelta, dry_run: bool) -> Exit:
    """Make a TestRun; print its name, and with ``wait`` how it ended.

    Args:
        wanted: the run.
        wait: whether to wait until it is over.
        limit: longest time to wait; the run goes on after it.
        dry_run: print the manifest instead of creating it.

    Raises:
        TestrunError: there is no such suite, it is invalid, the server refuses the run, or there is no cluster.
    """
    body = make_manifest(wanted)
    if dry_run:
        # Not by way of a console, which would fold and mend what another program reads.
        print(yaml.safe_dump(body, sort_keys=False, allow_unicode=True), end="")  # noqa: T201
        return Exit.PASSED
    async with open_run(wanted.name or "", wanted.namespace) as reader:
        namespace, client = reader.namespace, reader.client
        await check_suite_is_valid(client, namespace, wanted.suite)
        try:
            created = await client.create(TESTRUNS, namespace, body)
        except Refused as error:
            raise CannotDo(f"the API server refuses the TestRun: {error}") from None
    name = str(created["metadata"]["name"])
    show(make_console(to_error=wait), clean(f"testrun.testrun.dev/{name} created in namespace {namespace}"))
    if not wait:
        return Exit.PASSED
    return await _wait(name, namespace, limit)


async def _wait(name: str, namespace: str, limit: timedelta) -> Exit:
    try:
        code = await wait_and_tell(name, namespace, limit)
    except asyncio.CancelledError:  # Ctrl-C
        _say_that_it_goes_on(name, namespace)
        raise
    if code is Exit.NOT_FINISHED:
        _say_that_it_goes_on(name, namespace)
    return code


def _say_that_it_goes_on(name: str, namespace: str) -> None:
    again = f"testrun wait {name} -n {namespace}"
    end = f"""kubectl patch testrun {name} -n {namespace} --type merge -p '{{"spec":{{"cancel":true}}}}'"""
    show(make_console(to_error=True), f"the TestRun goes on; to wait for it again: {again}\nto end it: {end}")


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
