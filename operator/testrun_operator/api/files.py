"""Files that a case brings along: written into the suite, from a ConfigMap, or from Git."""

from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from testrun_operator.api.base import Model, ObjectName
from testrun_operator.api.pod import KeyToPath, ObjectReference

RelativePath = Annotated[str, Field(pattern=r"^[^/\x00][^\x00]*$", min_length=1, max_length=1024)]
"""A path below the root of the files, with ``/``. That it does not lead out of them is checked where it is used."""


class ConfigMapFiles(Model):
    """A ConfigMap's keys as files. `testrun sql pack` writes both the ConfigMap and these lines."""

    name: ObjectName = Field(description="Name of the ConfigMap, in the run's namespace.")
    items: Annotated[tuple[KeyToPath, ...], Field(max_length=500)] = Field(
        (), description="Which key becomes which file. Default: each key is a file of its own name."
    )
    path: RelativePath | None = Field(
        None, description="The folder or file that is used, relative to the whole. Default: all of it."
    )


class GitFiles(Model):
    """Files of a Git repository, fetched by the case's pod. The commit is recorded with the result."""

    url: Annotated[str, Field(pattern=r"^(https?://|git://|\{\{)", max_length=2048)] = Field(
        description="Address of the repository: https, http or git. May be a template. Credentials do not belong here."
    )
    ref: Annotated[str, Field(min_length=1, max_length=253)] = Field(
        "HEAD", description="Branch, tag or full commit id. May be a template, as '{{ run.revision }}'. Default HEAD."
    )
    path: RelativePath | None = Field(
        None, description="The folder or file that is used, relative to the repository. Default: all of it."
    )
    secret_ref: ObjectReference | None = Field(
        None,
        description="Secret with the key password (or an access token in it), and where needed username and ca.crt, "
        "as of the type kubernetes.io/basic-auth.",
    )

    @model_validator(mode="after")
    def _no_credentials(self) -> Self:
        if "@" in self.url.partition("//")[2].partition("/")[0]:
            msg = "url must not contain credentials; use secretRef"
            raise ValueError(msg)
        return self


class FileSource(Model):
    """Where files come from: exactly one of the three."""

    cel_rules: ClassVar[tuple[tuple[str, str], ...]] = (
        (
            "[has(self.inline), has(self.configMap), has(self.git)].filter(given, given).size() == 1",
            "give exactly one of inline, configMap and git",
        ),
    )

    inline: Annotated[str, Field(min_length=1, max_length=65536)] | None = Field(
        None, description="The text of a single file. It is taken as written: templates in it are not rendered."
    )
    config_map: ConfigMapFiles | None = Field(None, description="A ConfigMap's keys as files.")
    git: GitFiles | None = Field(None, description="Files of a Git repository.")

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if [self.inline, self.config_map, self.git].count(None) != 2:  # noqa: PLR2004 - all but one
            msg = "give exactly one of inline, configMap and git"
            raise ValueError(msg)
        return self
