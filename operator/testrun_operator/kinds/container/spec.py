"""The fields of a case of kind ``container``."""

from pydantic import Field

from testrun_operator.api.junit import JUnitPattern
from testrun_operator.api.pod import PodContainer


class ContainerCase(PodContainer):
    """Any image and command; exit code 0 passes, another fails.

    The pod runs under the Pod Security Standard "restricted": no root, no added capabilities, no service account token.
    """

    junit: JUnitPattern | None = Field(
        None,
        description="Where the container leaves JUnit XML, for instance '/reports/*.xml' or '/reports/**/*.xml': its "
        "tests become the details of the case, whose exit code judges as ever. The folder before the first * or ? is "
        "mounted, empty.",
    )
