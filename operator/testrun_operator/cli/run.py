"""``testrun run``: makes a TestRun of a suite, and waits for it where that is asked for."""

import asyncio
from datetime import timedelta

from testrun_operator.cli.cluster import open_run
from testrun_operator.cli.manifest import Wanted, make_manifest
from testrun_operator.cli.suites import check_suite_is_valid
from testrun_operator.cli.waiting import wait_and_tell
from testrun_operator.kube.answers import Refused
from testrun_operator.kube.client import TESTRUNS
from testrun_operator.terminal.errors import CannotDo
from testrun_operator.terminal.exits import Exit
from testrun_operator.terminal.printing import clean, make_console, show


async def run_suite(wanted: Wanted, *, wait: bool, limit: timedelta) -> Exit:
    """Make a TestRun; print its name, and with ``wait`` how it ended.

    Args:
        wanted: the run.
        wait: whether to wait until it is over.
        limit: longest time to wait; the run goes on after it.

    Raises:
        TestrunError: there is no such suite, it is invalid, the server refuses the run, or there is no cluster.
    """
    body = make_manifest(wanted)
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
