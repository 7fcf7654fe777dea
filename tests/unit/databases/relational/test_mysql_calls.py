"""How routines of MariaDB and MySQL are called."""

import pytest

from testrun_operator.databases.base import Argument, Kind, Mode, Parameter, Routine, StatementFailed, Value
from testrun_operator.databases.relational.mysql.routines import plan_call, read_variables

A = Parameter("a", Mode.IN, "int(11)")
B = Parameter("b", Mode.INOUT, "decimal(10,2)")
C = Parameter("c", Mode.OUT, "datetime(3)")
D = Parameter("d", Mode.IN, "varchar(10)", has_default=True)


def _routine(*parameters: Parameter, returns: str | None = None) -> Routine:
    return Routine("`app`.`p`", "app.p(…)", parameters, is_function=returns is not None, returns=returns)


def test_outputs_of_a_procedure_come_by_user_variables() -> None:
    """An INOUT parameter's variable is set before."""
    plan = plan_call(_routine(A, B, C), [Argument("b", "1.5"), Argument("a", "5")], repr)
    assert ("SET @testrun_1 = '1.5'",) == plan.before
    assert "CALL `app`.`p`('5', @testrun_1, @testrun_2)" == plan.statement
    assert "SELECT @testrun_1 AS testrun_1, @testrun_2 AS testrun_2" == plan.variables_query
    result = read_variables(plan, ["29.00", "2020-01-02 03:04:05.600"], None)
    assert (("b", Value("29.00", Kind.NUMBER)), ("c", Value("2020-01-02 03:04:05.6"))) == result.outputs
    assert (None, None) == (result.returned, result.row_count)


def test_a_function_is_called_in_a_query() -> None:
    """So that its value has its own type."""
    plan = plan_call(_routine(A, returns="int(11)"), [Argument("a", None)], repr)
    assert "SELECT `app`.`p`(None)" == plan.statement
    assert plan.returns_by_query
    assert not plan.variables


def test_a_function_with_outputs_is_assigned_to_a_variable() -> None:
    """The server does not take it in a query."""
    plan = plan_call(_routine(C, returns="float"), [], repr)
    assert "SET @testrun_result = `app`.`p`(@testrun_0)" == plan.statement
    result = read_variables(plan, ["1.100000023841858", None], None)
    assert Value("1.1", Kind.NUMBER) == result.returned
    assert (("c", Value(None)),) == result.outputs
    assert 1 == result.row_count


def test_the_last_parameters_may_be_left_out() -> None:
    """The server knows whether they have defaults."""
    assert "CALL `app`.`p`('1')" == plan_call(_routine(A, D), [Argument("a", "1")], repr).statement


@pytest.mark.parametrize("parameters", [(A, D), (A, C)])
def test_others_may_not_be_left_out(parameters: tuple[Parameter, ...]) -> None:
    """Arguments are passed by position, and would go to the wrong parameter."""
    with pytest.raises(StatementFailed, match=r"Parameter a of app\.p\(…\) has no value") as caught:
        plan_call(_routine(*parameters), [Argument("d", "1")], repr)
    assert "42000" == caught.value.sqlstate
