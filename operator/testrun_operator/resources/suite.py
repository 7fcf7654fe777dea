"""The TestSuite: which cases exist."""

from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

from pydantic import Field, create_model, model_validator

from testrun_operator.api.base import Category, DnsLabel, Duration, Model, Text, VariableName
from testrun_operator.api.connection import Connection
from testrun_operator.kinds.case_kind import CaseKind, OwnContainer, Spec
from testrun_operator.kinds.registry import KINDS

MAX_CASES = 500
MAX_NEEDS = 16
MAX_MATRIX_EXPANSION = 256

Variables = Annotated[dict[VariableName, Text], Field(max_length=64)]


class TestServerScope(StrEnum):
    """How long a test server lives and who shares it."""

    SHARED = "Shared"
    """One for all, in a namespace of its own; it outlives runs."""
    RUN = "Run"
    """One for each execution, in the run's namespace; gone with it."""


class PaginationServer(Model):
    """The pagination test server: 35 items in four pagination styles. It has no settings."""


class TestServer(Model):
    """A server that the operator deploys for the cases; http cases use it by its name like a connection."""

    __test__: ClassVar[bool] = False

    name: DnsLabel = Field(description="Name, also of its Service when the scope is Shared.")
    pagination: PaginationServer = Field(description="The pagination test server: write {}.")
    scope: TestServerScope = Field(
        TestServerScope.SHARED, description="Shared: one for all runs. Run: one for each execution. Default Shared."
    )


_METADATA_KEY_PATTERN = r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$"
_MetadataKey = Annotated[str, Field(pattern=_METADATA_KEY_PATTERN, max_length=317)]
PodLabels = Annotated[
    dict[_MetadataKey, Annotated[str, Field(pattern=r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$", max_length=63)]],
    Field(max_length=16),
]
PodAnnotations = Annotated[dict[_MetadataKey, Text], Field(max_length=16)]


class WhenOperator(StrEnum):
    """The operators of a label selector requirement."""

    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"


class WhenRequirement(Model):
    """A condition on a variable, in the shape of a label selector requirement."""

    cel_rules: ClassVar[tuple[tuple[str, str], ...]] = (
        (
            (
                "self.operator in ['In', 'NotIn'] ? has(self.values) && self.values.size() > 0 "
                ": !has(self.values) || self.values.size() == 0"
            ),
            "values are needed by In and NotIn, and not allowed with Exists and DoesNotExist",
        ),
    )

    key: VariableName = Field(description="Name of the variable.")
    operator: WhenOperator = Field(description="In, NotIn, Exists or DoesNotExist.")
    values: Annotated[tuple[Text, ...], Field(max_length=64)] = Field((), description="Values for In and NotIn.")

    @model_validator(mode="after")
    def _values_fit(self) -> Self:
        if (self.operator in {WhenOperator.IN, WhenOperator.NOT_IN}) != bool(self.values):
            msg = "values are needed by In and NotIn, and not allowed with Exists and DoesNotExist"
            raise ValueError(msg)
        return self


class CaseFields(Model):
    """What a test case of any kind has."""

    name: DnsLabel = Field(description="Name, unique in the suite.")
    description: Text | None = Field(None, description="What the case shows; for readers.")
    category: Category | None = Field(None, description="Category, for select, skip and reports.")
    tags: Annotated[tuple[Category, ...], Field(max_length=32)] = Field((), description="Tags, for select and skip.")
    needs: Annotated[tuple[DnsLabel, ...], Field(max_length=MAX_NEEDS)] = Field(
        (), description="Cases that must have passed first; otherwise this one is skipped."
    )
    when: Annotated[tuple[WhenRequirement, ...], Field(max_length=16)] = Field(
        (), description="Conditions on variables, all of which must hold; otherwise the case is skipped."
    )
    matrix: Annotated[
        dict[VariableName, Annotated[tuple[Text, ...], Field(min_length=1, max_length=MAX_MATRIX_EXPANSION)]],
        Field(max_length=8),
    ] = Field(
        {},
        description="Variables with several values: the case is executed once for each combination, under its name "
        "followed by the values, as in page-number-5. At most 256 combinations.",
    )
    timeout: Duration | None = Field(None, description="Longest time from the start of its container. Default 5m.")
    retries: Annotated[int, Field(ge=0, le=10)] | None = Field(
        None, description="How often a case that failed or timed out is tried again. Default 0."
    )
    pod_labels: PodLabels = Field(
        {},
        description="Further labels of the case's pod: for a service mesh, say, that is to leave it alone. The "
        "operator's own labels win.",
    )
    pod_annotations: PodAnnotations = Field(
        {}, description='Further annotations of the case\'s pod, for instance sidecar.istio.io/inject: "false".'
    )


if TYPE_CHECKING:
    _WithKinds = CaseFields
else:
    # A field for each kind. Nothing outside a kind's folder asks for it by its name: see Case.kind and Case.spec.
    _WithKinds = create_model(
        "CaseWithKinds",
        __base__=CaseFields,
        **{kind.name: (kind.spec | None, Field(None, description=kind.summary)) for kind in KINDS},
    )

_NAMES = [kind.name for kind in KINDS]
_ONE_KIND = f"give exactly one of {', '.join(_NAMES)}"


class Case(_WithKinds):
    """One test case: exactly one kind, and when and how it is executed."""

    cel_rules: ClassVar[tuple[tuple[str, str], ...]] = (
        ("[" + ", ".join(f"has(self.{name})" for name in _NAMES) + "].filter(given, given).size() == 1", _ONE_KIND),
    )

    @model_validator(mode="after")
    def _exactly_one_kind(self) -> Self:
        given = [name for name in _NAMES if getattr(self, name) is not None]
        if len(given) != 1:
            msg = f"{_ONE_KIND}; " + (f"found {' and '.join(given)}" if given else "found none")
            raise ValueError(msg)
        return self

    @property
    def kind(self) -> CaseKind[Any]:
        """Which of the kinds this case is."""
        return next(kind for kind in KINDS if getattr(self, kind.name) is not None)

    @property
    def spec(self) -> Model:
        """The fields of its kind."""
        spec: Model = getattr(self, self.kind.name)
        return spec

    def spec_as(self, model: type[Spec]) -> Spec:
        """Return the fields of its kind, as their model.

        Raises:
            TypeError: the case is of another kind.
        """
        if not isinstance(self.spec, model):
            msg = f"{self.name} is a case of kind {self.kind.name}, and has no {model.__name__}"
            raise TypeError(msg)
        return self.spec

    @property
    def own_container(self) -> OwnContainer | None:
        """The container that runs it; None where the runner does."""
        return self.kind.own_container(self.spec)


class CaseDefaults(Model):
    """What holds for cases that do not say otherwise."""

    timeout: Duration = Field(timedelta(minutes=5), description="Longest time of a case. Default 5m.")
    retries: Annotated[int, Field(ge=0, le=10)] = Field(
        0, description="How often a case that failed or timed out is tried again. Default 0."
    )


class TestSuiteSpec(Model):
    """Which cases exist, and what they need."""

    __test__: ClassVar[bool] = False
    cel_rules: ClassVar[tuple[tuple[str, str], ...]] = (
        (
            # The list around the names binds them to a variable: looking a name up in a list is cheap enough for the
            # API server's budget of what a rule may cost at most, comparing it with each case is not. The budget of
            # what it costs in fact leaves out large suites. With matrices, needs may name their variants.
            (
                "self.cases.size() > 150 || self.cases.exists(c, has(c.matrix)) || [self.cases.map(c, c.name)]"
                ".all(names, self.cases.all(c, !has(c.needs) || c.needs.all(n, n in names)))"
            ),
            "needs must name cases of this suite",
        ),
    )

    description: Text | None = Field(None, description="What the suite shows; for readers.")
    variables: Variables = Field({}, description="Variables and their defaults; a TestRun overrides them.")
    connections: Annotated[dict[DnsLabel, Connection], Field(max_length=32)] = Field(
        {}, description="Named endpoints that cases refer to."
    )
    test_servers: Annotated[tuple[TestServer, ...], Field(max_length=8)] = Field(
        (), description="Servers that the operator deploys before the first case starts."
    )
    defaults: CaseDefaults = Field(CaseDefaults(), description="What holds for cases that do not say otherwise.")
    cases: Annotated[tuple[Case, ...], Field(min_length=1, max_length=MAX_CASES)] = Field(
        description="The test cases, with unique names."
    )
