"""Brings a case's files to a folder: from the case itself, from a mounted ConfigMap, or from Git."""

from collections.abc import Mapping
from pathlib import Path

from testrun_operator.api.environment import FILES_PATH
from testrun_operator.api.files import FileSource
from testrun_operator.runner.templates import Templates
from testrun_operator.sources.config_map import mounted_files
from testrun_operator.sources.fetched import Deadline, Fetched


def fetch_files(
    source: FileSource,
    environment: Mapping[str, str],
    folder: Path,
    *,
    mount: Path = Path(FILES_PATH),
    field: str = "sql.source",
    inline_name: str = "inline.stt",
    deadline: float | None = None,
) -> Fetched:
    """Bring a case's files to a folder.

    Args:
        source: where they come from; its templates are rendered.
        environment: the process's environment variables, among them the credentials for Git.
        folder: an empty folder to write into. The files of a ConfigMap stay where they are.
        mount: where a ConfigMap is mounted.
        field: the field of the case that the source stands in, for messages.
        inline_name: what the file is called that stands in the case itself.
        deadline: when the case's time is over, by the clock ``time.monotonic``.

    Raises:
        InvalidCase: the source is not as the case says; names the field.
        CannotJudge: the Git server cannot be reached.
    """
    if source.inline is not None:
        path = folder / inline_name
        path.write_text(source.inline, "utf-8", newline="")
        return Fetched(path, "the case itself")
    if source.config_map is not None:
        return mounted_files(source.config_map, mount, f"{field}.configMap")
    assert source.git is not None  # noqa: S101 - the model has exactly one of the three
    from testrun_operator.sources.git import fetch_git  # noqa: PLC0415 - loading Git takes a while

    return fetch_git(source.git, environment, folder, field=f"{field}.git", deadline=Deadline(deadline))


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
