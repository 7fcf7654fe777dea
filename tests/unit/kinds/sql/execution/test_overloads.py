"""Which routine a data table calls, and how columns are found among parameters."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testrun_operator.databases.base import Mode, Parameter, Routine
from testrun_operator.kinds.sql.execution.columns import Target, read_columns
from testrun_operator.kinds.sql.execution.overloads import CallRefused, choose_call

IN, OUT, INOUT = Mode.IN, Mode.OUT, Mode.INOUT


def routine(signature: str, *parameters: Parameter, returns: str | None = None, is_function: bool = False) -> Routine:
    """Make a routine."""
    name = signature.partition("(")[0]
    return Routine(name, signature, parameters, is_function or returns is not None, returns)


def parameter(name: str, mode: Mode = IN, *, default: bool = False, type_name: str = "numeric") -> Parameter:
    """Make a parameter."""
    return Parameter(name, mode, type_name, default)


DIVIDE = routine(
    "divide(numeric, numeric)", parameter("dividend"), parameter("divisor"), parameter("quotient", INOUT, default=True)
)
PRICE = (
    routine("price(numeric, numeric)", parameter("net"), parameter("rate", default=True), returns="numeric"),
    routine("price(numeric, text)", parameter("net"), parameter("country", type_name="text"), returns="numeric"),
)


def refusal(routines: tuple[Routine, ...], *headers: str) -> str:
    """Return why columns are refused."""
    with pytest.raises(CallRefused) as refused:
        choose_call(routines, read_columns(headers))
    return str(refused.value)


def test_columns_are_told_apart_by_how_they_are_written() -> None:
    """The reserved ones in any case; ``ERROR`` alone is a parameter."""
    headers = ("a", "a$", "=error=", "=SqlState=", "=ROWS=", "=return=", "RETURN$", "ERROR", "Return$")
    columns = read_columns(headers)
    assert [column.target for column in columns] == [
        Target.INPUT,
        Target.OUTPUT,
        Target.ERROR,
        Target.SQLSTATE,
        Target.ROWS,
        Target.RETURNED,
        Target.RETURNED,
        Target.INPUT,
        Target.RETURNED,
    ]
    assert [column.index for column in columns] == list(range(9))
    assert [column.name for column in columns[:2]] == ["a", "a"]


def test_names_are_found_without_regard_to_case() -> None:
    """The catalogue's spelling is what the database is called with."""
    call = choose_call([DIVIDE], read_columns(("DIVIDEND", "Divisor", "QUOTIENT$", "=ERROR=")))
    assert [found.name for _, found in call.inputs] == ["dividend", "divisor"]
    assert [found.name for _, found in call.outputs] == ["quotient"]


def test_an_inout_parameter_may_be_given_and_verified() -> None:
    """Both columns belong to it."""
    call = choose_call([DIVIDE], read_columns(("dividend", "divisor", "quotient", "quotient$")))
    assert [found.name for _, found in call.inputs] == ["dividend", "divisor", "quotient"]
    assert [column.header for column, _ in call.outputs] == ["quotient$"]


def test_a_name_as_it_is_written_comes_before_one_of_another_case() -> None:
    """Where a routine has both, quotes were needed to make it."""
    both = routine("both", parameter("value"), parameter("VALUE"))
    call = choose_call([both], read_columns(("VALUE", '"value"')))
    assert [found.name for _, found in call.inputs] == ["VALUE", "value"]


def test_no_parameter_is_given_twice() -> None:
    """Two columns for one parameter: one of them is too much."""
    one = routine("one(numeric)", parameter("value"))
    assert "Unexpected parameter(s) '\"value\"'" in refusal((one,), "value", '"value"')


def test_the_columns_decide_among_overloads() -> None:
    """All of them must have a parameter, and no other one be needed."""
    assert choose_call(PRICE, read_columns(("net",))).routine is PRICE[0]
    assert choose_call(PRICE, read_columns(("net", "rate", "RETURN$"))).routine is PRICE[0]
    assert choose_call(PRICE, read_columns(("NET", "COUNTRY"))).routine is PRICE[1]


def test_several_that_fit_are_named_with_what_to_write() -> None:
    """Nothing is guessed."""
    charge = (
        routine("charge(integer)", parameter("amount", type_name="integer")),
        routine("charge(text)", parameter("amount", type_name="text")),
    )
    message = refusal(charge, "amount")
    assert "charge(integer); charge(text)" in message
    assert "# TEST CASE charge(integer)" in message


@pytest.mark.parametrize(
    ("headers", "parts"),
    [
        (("dividend", "divisor", "X", "Y$"), ("Unexpected parameter(s) 'X, Y$'", "dividend IN", "quotient INOUT")),
        (("dividend", "divisor", "divisor$"), ("Unexpected parameter(s) 'divisor$'", "divisor IN")),
        (("dividend",), ("Required input parameter 'divisor' is missing",)),
        (("quotient$",), ("Required input parameters 'dividend, divisor' are missing",)),
        (("dividend", "X"), ("Unexpected parameter(s) 'X'", "Required input parameter 'divisor' is missing")),
        (("dividend", "divisor", "RETURN$"), ("Unexpected parameter(s) 'RETURN$'",)),
        (("dividend", "divisor", "=ROWS="), ("Unexpected parameter(s) '=ROWS='",)),
    ],
)
def test_columns_that_do_not_fit_are_named_with_what_there_is(headers: tuple[str, ...], parts: tuple[str, ...]) -> None:
    """The message says what would be right."""
    message = refusal((DIVIDE,), *headers)
    assert all(part in message for part in (*parts, "divide(numeric, numeric)"))


def test_what_no_overload_has_is_named_before_what_does_not_go_together() -> None:
    """The first is a mistyped name, the second a wrong idea."""
    assert "Unexpected parameter(s) 'tax'; there are: price(numeric, numeric)" in refusal(PRICE, "net", "tax")
    assert "none of these takes all" in refusal(PRICE, "net", "rate", "country")
    assert "Required input parameter 'net' is missing" in refusal(PRICE, "rate")


def test_a_parameter_called_return_comes_before_the_return_value() -> None:
    """``=RETURN=`` always means the value."""
    odd = routine("odd()", parameter("return", OUT), returns="integer")
    call = choose_call([odd], read_columns(("RETURN$", "=RETURN=")))
    assert [found.name for _, found in call.outputs] == ["return"]
    assert [column.header for column in call.returned] == ["=RETURN="]


def test_a_function_that_returns_nothing_has_no_return_value() -> None:
    """It can be called; its value cannot be verified."""
    silent = routine("silent()", is_function=True)
    assert choose_call([silent], read_columns(("=ROWS=",))).rows is not None
    assert "Unexpected parameter(s) 'RETURN$'" in refusal((silent,), "RETURN$")


def test_parameters_without_a_name_are_called_by_their_number() -> None:
    """As the catalogue has none, the adapter gives them one."""
    bare = routine("bare(integer)", parameter("$1"), parameter("$2", OUT))
    call = choose_call([bare], read_columns(("$1", "$2$")))
    assert [found.name for _, found in call.inputs] == ["$1"]
    assert [found.name for _, found in call.outputs] == ["$2"]


names = st.sampled_from(["a", "b", "c", "d"])
routines = st.lists(
    st.dictionaries(names, st.tuples(st.sampled_from(Mode), st.booleans()), max_size=4).map(
        lambda chosen: routine(
            f"f({', '.join(chosen)})",
            *(parameter(name, mode, default=default) for name, (mode, default) in chosen.items()),
        )
    ),
    min_size=1,
    max_size=4,
)


@given(routines, st.sets(names), st.sets(names))
def test_a_routine_is_chosen_just_if_it_is_the_only_one_that_fits(
    given_routines: list[Routine], inputs: set[str], outputs: set[str]
) -> None:
    """By the rule as it is written, for any overloads and any columns."""

    def fits(one: Routine) -> bool:
        givable = {found.name for found in one.parameters if found.mode is not OUT}
        readable = {found.name for found in one.parameters if found.mode is not IN}
        needed = {found.name for found in one.parameters if found.mode is not OUT and not found.has_default}
        return inputs <= givable and outputs <= readable and needed <= inputs

    fitting = [one for one in given_routines if fits(one)]
    columns = read_columns((*sorted(inputs), *(f"{name}$" for name in sorted(outputs))))
    if len(fitting) == 1:
        assert choose_call(given_routines, columns).routine is fitting[0]
    else:
        with pytest.raises(CallRefused):
            choose_call(given_routines, columns)
