#!/usr/bin/env python3
"""Writes the generated files, or checks them: `python tools/generate.py [--check]`.

What is written twice drifts apart. So the resources are written once, in the models; the chart's values once, in
`tools/chart_values.py`; and CRDs, chart, manifests and reference pages are made from these.
"""

# ruff: noqa: T201 - a script; its output is its purpose

import argparse
import difflib
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from generators import api_page, operator_pages, playbook_example, resources, values, vocabulary
from generators.repository import CHART, REFERENCE, ROOT

from testrun_operator.store import reference as tables

_SHOWN_LINES = 12


def chart_files() -> dict[Path, str]:
    """Return the files that are part of the chart; manifests are rendered from it, so these come first."""
    return {
        **resources.crd_files(),
        CHART / "values.yaml": values.defaults(),
        CHART / "values.schema.json": values.schema(),
    }


def other_files() -> dict[Path, str]:
    """Return all other files."""
    # Only here, since it needs Helm.
    from generators import manifests  # noqa: PLC0415 - see above

    return {
        REFERENCE / "api.md": api_page.render(),
        REFERENCE / "reasons.md": vocabulary.render(),
        REFERENCE / "settings.md": operator_pages.render_settings(),
        REFERENCE / "metrics.md": operator_pages.render_metrics(),
        REFERENCE / "tables.md": tables.render(),
        REFERENCE / "values.md": values.reference_page(),
        **manifests.manifest_files(),
        **playbook_example.example_files(),
    }


def differing(files: dict[Path, str]) -> dict[Path, str]:
    """Return those files that are not as they should be, with what they should be."""
    return {path: text for path, text in files.items() if not path.exists() or path.read_text("utf-8") != text}


def show_difference(path: Path, text: str) -> None:
    """Print a file's name and the first lines of the difference."""
    present = path.read_text("utf-8").splitlines() if path.exists() else []
    lines = list(difflib.unified_diff(present, text.splitlines(), "as it is", "as it should be", lineterm="", n=1))
    print(f"{path.relative_to(ROOT)} is not up to date:")
    print("\n".join(f"    {line}" for line in lines[2 : 2 + _SHOWN_LINES]))


def write(files: dict[Path, str]) -> None:
    """Write files that are not as they should be."""
    for path, text in differing(files).items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        print(f"wrote {path.relative_to(ROOT)}")


def main() -> int:
    """Write or check."""
    parser = argparse.ArgumentParser(description="Writes CRDs, parts of the chart, manifests and reference pages.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a file is not up to date")
    if not parser.parse_args().check:
        write(chart_files())
        write(other_files())
        return 0
    # A chart that is not up to date makes manifests that are not; one is told at a time.
    wrong = differing(chart_files()) or differing(other_files())
    for path, text in wrong.items():
        show_difference(path, text)
    if wrong:
        print("\nRun `make generate` (python tools/generate.py), and commit what it writes.")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
