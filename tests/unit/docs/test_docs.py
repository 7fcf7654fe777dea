"""The documentation keeps up with the code: links, manifests, commands and targets that it names exist."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from testrun_operator.cli.application import application
from testrun_operator.cli.documents import Files, read_text
from testrun_operator.cli.validating import validate

ROOT = Path(__file__).resolve().parents[3]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *ROOT.glob("c[hi]*/*/README.md")])
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
GROUPS = "|".join(group.typer_instance.info.name for group in application.registered_groups)
COMMAND = re.compile(rf"(?:.*(?:/bin/| -- ))?(?:\$ )?testrun ((?:(?:{GROUPS}) )?[a-z]+)(.*)")


@pytest.fixture(params=PAGES, ids=NAMES)
def page(request: pytest.FixtureRequest) -> Path:
    """Each page of the documentation."""
    path: Path = request.param
    return path


def without_code(text: str) -> str:
    """Remove code blocks and inline code."""
    return re.sub(r"`[^`\n]*`", "", FENCE.sub("", text))


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page, as GitHub and GitLab make them of headings."""
    found: set[str] = set()
    for heading in re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text("utf-8")), re.MULTILINE):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading.strip()).lower()
        slug = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
        number = 0
        while (name := f"{slug}-{number}" if number else slug) in found:
            number += 1
        found.add(name)
    return found


def code_blocks(page: Path, *languages: str) -> Iterator[str]:
    """Yield the code blocks of some languages, without their indentation."""
    for indent, language, body in FENCE.findall(page.read_text("utf-8")):
        if language in languages:
            yield re.sub(rf"^{indent}", "", body, flags=re.MULTILINE)


def test_every_relative_link_leads_somewhere(page: Path) -> None:
    """To a file or folder, and to a heading of it where it names one."""
    broken = []
    for target in LINK.findall(without_code(page.read_text("utf-8"))):
        path, _, anchor = target.partition("#")
        if re.match(r"[a-z]+:", path):
            continue
        found = (page.parent / path).resolve() if path else page
        if not found.exists() or (anchor and anchor not in anchors(found)):
            broken.append(target)
    assert broken == []


def test_every_yaml_block_is_yaml(page: Path) -> None:
    """Whatever is shown can be copied."""
    for block in code_blocks(page, "yaml"):
        list(yaml.safe_load_all(block))


def test_every_suite_and_run_is_valid(page: Path) -> None:
    """A manifest that is shown in full is one that the operator accepts."""
    files = Files()
    for block in code_blocks(page, "yaml", "console", "shell"):
        if re.search(r"^kind: Test(Suite|Run)$", block, re.MULTILINE):
            read_text(page.name, block, files)
    assert validate(files).problems == []


def test_every_command_and_option_exists(page: Path) -> None:
    """Of the command line, wherever a page names it."""
    unknown = []
    for command, arguments in commands(page):
        help_text = CliRunner().invoke(application, [*command.split(), "--help"])
        if help_text.exit_code != 0:
            unknown.append(command)
        options = re.findall(r"(?<=\s)--?[a-z][-a-z]*", arguments)
        unknown += [f"{command} {option}" for option in options if option not in help_text.stdout]
    assert unknown == []


def commands(page: Path) -> Iterator[tuple[str, str]]:
    """Yield what follows "testrun" where that is the program: at the start of a line of code, or after its path."""
    text = page.read_text("utf-8")
    lines = [line for block in code_blocks(page, "console", "shell") for line in block.splitlines()]
    for code in [*lines, *re.findall(r"`([^`\n]+)`", FENCE.sub("", text))]:
        if match := COMMAND.match(code.partition(" #")[0]):
            yield match[1], match[2]


def test_the_readme_names_the_commands_for_people() -> None:
    """Each of them, with what it is for."""
    named = {command for command, _ in commands(ROOT / "README.md")}
    assert named >= {"status", "wait", "results", "validate", "cases", "version", "testserver"}


@pytest.mark.parametrize("name", ["README.md", "docs/develop.md", "CONTRIBUTING.md"])
def test_every_make_target_exists(name: str) -> None:
    """And the test command is named, by which CI finds it."""
    targets = set(re.findall(r"^([a-z][-a-z0-9]*):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    named = set()
    for words in re.findall(
        r"(?:^|`)make ((?:[a-z][-a-z0-9]*(?: |(?=`|$|\n)))+)", (ROOT / name).read_text("utf-8"), re.MULTILINE
    ):
        named |= set(words.split())
    assert named - targets == set()
    assert name != "README.md" or {"demo", "test", "clean-cluster"} <= named


def test_every_page_is_in_the_index() -> None:
    """A page that nobody links to is not found."""
    index = (ROOT / "docs" / "index.md").read_text("utf-8")
    targets = {(ROOT / "docs" / target.partition("#")[0]).resolve() for target in LINK.findall(index)}
    pages = {
        page for page in (ROOT / "docs").rglob("*.md") if page.name != "index.md" and "decisions" not in page.parts
    }
    assert pages - targets == set()


def test_the_architecture_names_every_folder_of_the_package_and_none_that_is_gone() -> None:
    """Whoever looks for something begins there. Names in the paths that stand for others are in capitals."""
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    package = ROOT / "operator" / "testrun_operator"
    layers = text[text.index("## Layers") : text.index("## What is kept where")]
    rows = "".join(line.split("|")[1] for line in layers.splitlines() if line.startswith("| `"))
    named = {path.partition("/")[0] for path in re.findall(r"`([a-z]+/[^`]*)`", rows)}
    assert named == {path.name for path in package.iterdir() if path.is_dir()} - {"__pycache__"}
    places = (ROOT, package, package / "runner", package / "kinds" / "sql", ROOT / "docs")
    paths = {path for path in re.findall(r"`([a-zA-Z_]+(?:/[a-zA-Z_]+)*(?:/|\.py))`", text) if path == path.lower()}
    given_by_whoever_adds_a_kind = {"spec.py", "definition.py", "execution.py", "execution/", "commands/"}
    gone = {path for path in paths if not any((place / path).exists() for place in places)}
    assert gone - given_by_whoever_adds_a_kind == set()


def test_the_table_of_rights_is_that_of_the_chart() -> None:
    """Who decides whether to trust the operator reads it in the documentation."""
    templates = ROOT / "charts" / "testrun-operator" / "templates"
    rules = (templates / "_rules.tpl").read_text("utf-8")
    text = "".join(re.findall(r"(?:runRules|serverRules)\" -\}\}\n(.*?)\{\{- end", rules, re.DOTALL))
    leases = re.search(r"- apiGroups: \[coordination.*?\n.*\n.*\n", (templates / "rbac.yaml").read_text("utf-8"))
    assert leases is not None
    granted = {
        resource: set(rule["verbs"])
        for rule in yaml.safe_load(text + re.sub(r"^  ", "", leases[0], flags=re.MULTILINE))
        for resource in rule["resources"]
    }
    section = (ROOT / "docs" / "operations.md").read_text("utf-8").partition("**Rights of the operator**")[2]
    told = {
        resource: set(verbs.split(", "))
        for resources, verbs in re.findall(r"^\| ([a-z/, ]+) \| ([a-z, ]+) \|", section, re.MULTILINE)
        if resources != "resource"
        for resource in resources.split(", ")
    }
    assert told == granted
