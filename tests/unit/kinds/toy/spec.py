"""The fields of a case of kind ``parrot``."""

from datetime import timedelta
from typing import Annotated

from pydantic import Field

from testrun_operator.api.base import DnsLabel, Duration, Model, Text
from testrun_operator.api.pod import ObjectReference


class ParrotCase(Model):
    """Something is said, and has to be heard."""

    connection: DnsLabel = Field(description="Name of the connection to a database.")
    say: Text = Field(description="What is said. May be a template.")
    hear: Text | None = Field(None, description="What has to be heard. Default: what is said.")
    times: Annotated[int, Field(ge=1, le=9)] = Field(1, description="How often. Default 1.")
    pause: Duration = Field(timedelta(), description="How long it is waited after each time. Default 0s.")
    secrets: Annotated[tuple[ObjectReference, ...], Field(max_length=4)] = Field(
        (), description="Secrets that must not be heard."
    )
