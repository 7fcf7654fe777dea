"""The fields of a case of kind ``echo``."""

from typing import Annotated

from pydantic import Field

from testrun_operator.api.base import DnsLabel, Model, Text


class EchoCase(Model):
    """Something is said, and has to be heard."""

    connection: DnsLabel = Field(description="Name of the connection to a database.")
    say: Text = Field(description="What is said. May be a template.")
    hear: Text | None = Field(None, description="What has to be heard. Default: what is said.")
    times: Annotated[int, Field(ge=1, le=9)] = Field(1, description="How often. Default 1.")
