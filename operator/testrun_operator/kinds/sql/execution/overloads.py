"""Chooses the routine that a data table calls, by the table's columns."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from testrun_operator.databases.base import Mode, Parameter, Routine
from testrun_operator.errors import CaseError
from testrun_operator.kinds.sql.execution.columns import Column, Target


class CallRefused(CaseError):
    """The columns of a table fit no routine, or more than one. It is the table that is wrong, not the database."""


@dataclass(frozen=True, slots=True)
class Call:
    """A routine, and what each column is to it."""

    routine: Routine
    inputs: tuple[tuple[Column, Parameter], ...] = ()
    outputs: tuple[tuple[Column, Parameter], ...] = ()
    returned: tuple[Column, ...] = ()
    """Columns of the value that it returns."""
    rows: Column | None = None


def choose_call(routines: Sequence[Routine], columns: Sequence[Column]) -> Call:
    """Choose the one routine that has all parameters with a column, and needs no other ones.

    Args:
        routines: all overloads; at least one.
        columns: the columns of the table.

    Raises:
        CallRefused: there is none, or there are several.
    """
    attempts = [_fit(routine, columns) for routine in routines]
    fitting = [attempt for attempt in attempts if attempt.fits]
    if len(fitting) == 1:
        return fitting[0].call
    if fitting:
        raise CallRefused(_several([attempt.call.routine for attempt in fitting]))
    raise CallRefused(_none(attempts))


@dataclass(frozen=True, slots=True)
class _Attempt:
    """How the columns fit one routine."""

    call: Call
    unexpected: list[str] = field(default_factory=list)
    """Headers of columns that it has no parameter for."""
    missing: list[str] = field(default_factory=list)
    """Parameters that need a value and have no column."""

    @property
    def fits(self) -> bool:
        return not self.unexpected and not self.missing


def _fit(routine: Routine, columns: Sequence[Column]) -> _Attempt:
    inputs: list[tuple[Column, Parameter]] = []
    outputs: list[tuple[Column, Parameter]] = []
    returned: list[Column] = []
    rows: Column | None = None
    unexpected: list[str] = []
    givable = [parameter for parameter in routine.parameters if parameter.mode is not Mode.OUT]
    readable = [parameter for parameter in routine.parameters if parameter.mode is not Mode.IN]
    for column in columns:
        if column.target is Target.ROWS:
            rows = column
            if not routine.is_function:
                unexpected.append(column.header)
        elif column.target in (Target.OUTPUT, Target.RETURNED):
            parameter = _find(readable, column.name)
            if parameter is not None and parameter not in [taken for _, taken in outputs]:
                outputs.append((column, parameter))
            elif column.target is Target.RETURNED and routine.returns is not None:
                returned.append(column)
            else:
                unexpected.append(column.header)
        elif column.target is Target.INPUT:
            parameter = _find(givable, column.name)
            if parameter is not None and parameter not in [taken for _, taken in inputs]:
                inputs.append((column, parameter))
            else:
                unexpected.append(column.header)
    given = {parameter.name for _, parameter in inputs}
    missing = [one.name for one in givable if not one.has_default and one.name not in given]
    call = Call(routine, tuple(inputs), tuple(outputs), tuple(returned), rows)
    return _Attempt(call, unexpected, missing)


def _find(parameters: list[Parameter], name: str) -> Parameter | None:
    """Find a parameter by its name: as it is written, else without regard to case."""
    if not name:
        return None
    if len(name) > 1 and name.startswith('"') and name.endswith('"'):
        exact = name[1:-1].replace('""', '"')
        return next((one for one in parameters if one.name == exact), None)
    found = next((one for one in parameters if one.name == name), None)
    folded = name.casefold()
    return found or next((one for one in parameters if one.name.casefold() == folded), None)


def _several(routines: list[Routine]) -> str:
    signatures = "; ".join(routine.signature for routine in routines)
    return (
        f"The columns fit several routines: {signatures}. "
        f"Name the one that is meant in the title, as '# TEST CASE {routines[0].signature}'"
    )


def _none(attempts: list[_Attempt]) -> str:
    if len(attempts) == 1:
        attempt = attempts[0]
        problem = _problem(attempt.unexpected, attempt.missing)
        return f"{problem}: {_describe(attempt.call.routine)}"
    there_are = "; ".join(_describe(attempt.call.routine) for attempt in attempts)
    nowhere = [header for header in attempts[0].unexpected if all(header in one.unexpected for one in attempts)]
    if nowhere:
        return f"{_problem(nowhere, [])}; there are: {there_are}"
    # Those that take all the columns lack others; else no one takes all of them.
    taking = [attempt for attempt in attempts if not attempt.unexpected]
    if taking:
        return f"{_problem([], taking[0].missing)}; there are: {there_are}"
    nearest = min(attempts, key=lambda attempt: len(attempt.unexpected))
    return f"{_problem(nearest.unexpected, [])}: none of these takes all of the columns: {there_are}"


def _problem(unexpected: list[str], missing: list[str]) -> str:
    problems = []
    if unexpected:
        problems.append(f"Unexpected parameter(s) '{', '.join(unexpected)}'")
    if missing:
        names = ", ".join(missing)
        verb = "is" if len(missing) == 1 else "are"
        problems.append(f"Required input parameter{'s' * (len(missing) > 1)} '{names}' {verb} missing")
    return "; ".join(problems)


def _describe(routine: Routine) -> str:
    parameters = ", ".join(f"{one.name} {one.mode}" for one in routine.parameters) or "no parameters"
    kind = "" if not routine.is_function else f", returns {routine.returns}" if routine.returns else ", returns nothing"
    return f"{routine.signature} has {parameters}{kind}"
