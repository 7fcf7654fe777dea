"""Finds procedures and functions in the catalogue."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from testrun_operator.databases.base import Mode, Parameter, Routine, RoutineNotFound, StatementFailed
from testrun_operator.databases.postgresql.missing import aggregate, not_found, other_types
from testrun_operator.databases.postgresql.names import parse_name, split_signature

Fetch = Callable[[str, Sequence[object]], list[tuple[Any, ...]]]
"""Runs a query with parameters and gives its rows."""

_CANDIDATES: Final = """
    SELECT n.nspname::text, quote_ident(n.nspname) || '.' || quote_ident(p.proname), pg_function_is_visible(p.oid),
           p.prokind::text, p.proretset, p.prorettype, p.proargnames, p.proargmodes::text[],
           string_to_array(p.proargtypes::text, ' ')::oid[], p.proallargtypes, p.pronargdefaults
    FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
    WHERE p.proname = %s
    ORDER BY n.nspname, p.pronargs, p.oid
"""
_TYPES: Final = """
    SELECT t.oid, format_type(t.oid, NULL), quote_ident(n.nspname) || '.' || quote_ident(t.typname),
           CASE t.typtype WHEN 'c' THEN t.typrelid END
    FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
    WHERE t.oid = ANY (%s)
"""
_ATTRIBUTES: Final = """
    SELECT attname::text, format_type(atttypid, atttypmod)
    FROM pg_catalog.pg_attribute
    WHERE attrelid = %s AND attnum > 0 AND NOT attisdropped
    ORDER BY attnum
"""
_TYPE_NUMBERS: Final = """
    SELECT to_regtype(name)::oid FROM unnest(%s::text[]) WITH ORDINALITY AS types (name, place) ORDER BY place
"""
_AS_TEXT: Final = frozenset({"anyelement", "anynonarray", "anycompatible", "anycompatiblenonarray", '"any"'})
"""Pseudo types that stand for whatever is given; what an author gives is text."""
_AS_TEXTS: Final = frozenset({"anyarray", "anycompatiblearray"})
_UNTYPED: Final = frozenset({"anyenum", "anyrange", "anymultirange", "anycompatiblerange", "anycompatiblemultirange"})
"""Pseudo types for which there is no guess; the server says so."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A place in the list of arguments of a call."""

    parameter: str
    """As the parameter is called in ``Parameter.name``."""
    name: str | None
    """Its name in the catalogue, for the named notation; None for one without a name."""
    cast: str | None
    """The type that a text is to be converted into, qualified and quoted; None where the server must guess."""
    is_input: bool
    """False for OUT parameters of procedures, which have a place but take no value."""
    is_variadic: bool
    has_default: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresRoutine(Routine):
    """A routine, and what a call of it has to look like."""

    slots: tuple[Slot, ...]
    outputs: tuple[str, ...]
    """Names of the values that it gives back as columns, in their order."""


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A row of the catalogue."""

    schema: str
    name: str
    is_visible: bool
    kind: str
    returns_set: bool
    return_type: int
    argument_names: list[str] | None
    argument_modes: list[str] | None
    input_types: list[int]
    all_types: list[int] | None
    defaults: int

    @property
    def types(self) -> list[int]:
        return self.all_types or self.input_types

    @property
    def modes(self) -> list[str]:
        return self.argument_modes or ["i"] * len(self.types)


@dataclass(frozen=True, slots=True)
class _Type:
    text: str
    qualified: str
    relation: int | None
    """For a type with columns, where these are."""


def find_routines(name: str, fetch: Fetch) -> tuple[PostgresRoutine, ...]:
    """Find the overloads of a procedure or function.

    Args:
        name: as an author writes it; with types in parentheses only that overload.
        fetch: asks the database.

    Raises:
        RoutineNotFound: there is none; says what there is.
    """
    written, wanted_types = split_signature(name)
    parts = parse_name(written)
    if parts is None or len(parts) > 2:  # noqa: PLR2004 - schema and name
        raise RoutineNotFound(
            f"{name!r} cannot be the name of a procedure or function: write NAME or SCHEMA.NAME, types in parentheses "
            'behind it where there are several, and "double quotes" around what has other characters'
        )
    candidates = [_Candidate(*row) for row in fetch(_CANDIDATES, [parts[-1]])]
    if len(parts) > 1:
        found = [one for one in candidates if one.schema == parts[0]]
    else:
        # The server's own, of which some have surprising names, are meant only if nobody else has one.
        own = [one for one in candidates if one.schema != "pg_catalog"] or candidates
        found = [one for one in own if one.is_visible]
    routines = [one for one in found if one.kind in {"p", "f"}]
    types = _types(fetch, (number for one in candidates for number in (*one.types, one.return_type)))
    if not routines:
        if found:
            raise aggregate(written, is_window=found[0].kind == "w")
        elsewhere = [_signature(one, types) for one in candidates if one.kind in {"p", "f"}]
        raise not_found(written, parts, elsewhere, fetch)
    if wanted_types is not None:
        numbers = _type_numbers(fetch, name, wanted_types)
        matching = [one for one in routines if numbers in (one.input_types, one.types)]
        if not matching:
            raise other_types(name, [_signature(one, types) for one in routines])
        routines = matching
    return tuple(_routine(one, types, fetch) for one in routines)


def _types(fetch: Fetch, numbers: Iterable[int]) -> dict[int, _Type]:
    return {number: _Type(*rest) for number, *rest in fetch(_TYPES, [sorted(set(numbers))])}


def _type_numbers(fetch: Fetch, name: str, types: tuple[str, ...]) -> list[int]:
    try:
        numbers = [row[0] for row in fetch(_TYPE_NUMBERS, [list(types)])]
    except StatementFailed as error:  # PostgreSQL before 17 where it is no type's name at all
        raise RoutineNotFound(f"the types of {name} cannot be understood: {error.message}") from None
    for number, written in zip(numbers, types, strict=True):
        if number is None:
            raise RoutineNotFound(f"there is no type {written}, which {name} names")
    return numbers


def _signature(candidate: _Candidate, types: Mapping[int, _Type]) -> str:
    return f"{candidate.name}({', '.join(types[number].text for number in candidate.input_types)})"


def _routine(candidate: _Candidate, types: Mapping[int, _Type], fetch: Fetch) -> PostgresRoutine:
    is_function = candidate.kind == "f"
    parameters: list[Parameter] = []
    slots: list[Slot] = []
    outputs: list[str] = []
    names = candidate.argument_names or []
    first_default = len(candidate.input_types) - candidate.defaults
    inputs = 0
    for index, (number, mode) in enumerate(zip(candidate.types, candidate.modes, strict=True)):
        name = names[index] if index < len(names) and names[index] else None
        spelled = name or f"${index + 1}"
        is_input = mode in "ibv"
        has_default = is_input and inputs >= first_default
        inputs += is_input
        parameters.append(Parameter(spelled, _MODES[mode], types[number].text, has_default))
        if mode in "obt":
            outputs.append(spelled)
        if is_input or not is_function:
            slots.append(Slot(spelled, name, _cast(types[number]), is_input, mode == "v", has_default))
    returned = types[candidate.return_type]
    if is_function and not outputs and returned.relation is not None:
        outputs = _add_columns(parameters, fetch(_ATTRIBUTES, [returned.relation]))
    return PostgresRoutine(
        name=candidate.name,
        signature=_signature(candidate, types),
        parameters=tuple(parameters),
        is_function=is_function,
        returns=returned.text if is_function and returned.text != "void" else None,
        returns_set=candidate.returns_set,
        slots=tuple(slots),
        outputs=tuple(outputs),
    )


_MODES: Final = {"i": Mode.IN, "v": Mode.IN, "b": Mode.INOUT, "o": Mode.OUT, "t": Mode.OUT}


def _add_columns(parameters: list[Parameter], columns: Iterable[tuple[str, str]]) -> list[str]:
    """Take the columns of the type that a function returns as OUT parameters; one that is an input too as INOUT."""
    places = {parameter.name: place for place, parameter in enumerate(parameters)}
    outputs = []
    for name, type_name in columns:
        outputs.append(name)
        if name in places:
            given = parameters[places[name]]
            parameters[places[name]] = Parameter(name, Mode.INOUT, given.type_name, given.has_default)
        else:
            parameters.append(Parameter(name, Mode.OUT, type_name))
    return outputs


def _cast(given: _Type) -> str | None:
    if given.text in _AS_TEXT:
        return "pg_catalog.text"
    if given.text in _AS_TEXTS:
        return "pg_catalog._text"
    return None if given.text in _UNTYPED else given.qualified
