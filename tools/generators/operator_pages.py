"""`docs/reference/settings.md` and `docs/reference/metrics.md`: the operator from an administrator's side."""

import json

from generators import markdown
from testrun_operator.controller.metrics import describe
from testrun_operator.controller.settings import PREFIX, Settings


def render_settings() -> str:
    """Render the page of the environment variables."""
    defaults = Settings().model_dump(mode="json", by_alias=False)
    rows = []
    for name, field in Settings.model_fields.items():
        default = defaults[name]
        text = default if isinstance(default, str) else "" if default in (None, []) else json.dumps(default)
        rows.append((markdown.code(PREFIX + name.upper()), markdown.code(text), field.description or ""))
    return markdown.page(
        "Settings of the operator",
        "Environment variables of `testrun operator`. The chart sets them from its [values](values.md); set them by "
        "hand only when you run the operator without it. A wrong one stops the operator with a message that names it.",
        "`operator/testrun_operator/controller/settings.py`",
        markdown.table(("variable", "default", "meaning"), rows),
    )


def render_metrics() -> str:
    """Render the page of the metrics."""
    rows = [
        (markdown.code(name), kind, ", ".join(markdown.code(label) for label in labels), text)
        for name, kind, labels, text in sorted(describe())
    ]
    return markdown.page(
        "Metrics",
        "What the operator shows at `/metrics` on port 8080, in Prometheus' format. "
        "A histogram has `_bucket`, `_sum` and `_count`.",
        "`operator/testrun_operator/controller/metrics.py`",
        markdown.table(("metric", "type", "labels", "meaning"), rows),
    )
