"""Nothing is kept that nobody calls."""

from pathlib import Path

import vulture

ROOT = Path(__file__).parents[2]
CALLED_BY_LIBRARIES = {
    "ignore_aliases": "PyYAML's dumper",
    "readinto": "dulwich reads from a socket by it",
}
"""Functions and methods that only a library calls, and which one."""
DECORATORS = [
    *("@model_validator", "@field_validator", "@field_serializer", "@*.command", "@*.callback", "@kopf.*"),
    *("@app.get", "@app.post"),
]
"""Functions below one of these are called by the library that it is of."""


def test_every_function_and_class_is_used() -> None:
    """By the package, or by its tests, tools and benchmarks."""
    finder = vulture.Vulture(ignore_decorators=DECORATORS)
    finder.scavenge([str(ROOT / folder) for folder in ("operator", "tests", "tools", "bench", "ci")])
    unused = [*finder.unused_funcs, *finder.unused_methods, *finder.unused_classes, *finder.unused_props]
    found = {
        f"{item.filename.relative_to(ROOT)}: {item.name}": item.name
        for item in unused
        if "operator" in item.filename.parts
    }
    assert {} == {where: name for where, name in found.items() if name not in CALLED_BY_LIBRARIES}
    assert set(found.values()) >= CALLED_BY_LIBRARIES.keys()
