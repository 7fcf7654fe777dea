"""Renders what may be a template in a source of files; the files themselves are taken as they are."""

from testrun_operator.api.files import FileSource
from testrun_operator.runner.templates import Templates


def render_source(source: FileSource, templates: Templates, field: str) -> FileSource:
    """Render a source.

    Args:
        source: the source.
        templates: the case's.
        field: the field of the case that it stands in, for messages.

    Raises:
        InvalidCase: a template is wrong; names the field.
    """

    def render(text: str | None, name: str) -> str | None:
        return None if text is None else templates.text(text, f"{field}.{name}")

    if source.git is not None:
        git = source.git
        rendered = {name: render(getattr(git, name), f"git.{name}") for name in ("url", "ref", "path")}
        return source.model_copy(update={"git": git.model_copy(update=rendered)})
    if source.config_map is not None:
        files = source.config_map
        path = render(files.path, "configMap.path")
        return source.model_copy(update={"config_map": files.model_copy(update={"path": path})})
    return source
