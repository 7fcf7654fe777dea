"""`docs/reference/settings.md` and `docs/reference/metrics.md`: the operator from an administrator's side."""

import json
from collections.abc import Iterator

from generators import markdown
from testrun_operator.api.base import Model
from testrun_operator.controller.metrics import ALERTS, describe
from testrun_operator.controller.settings import PREFIX, Settings


def render_settings() -> str:
    """Render the page of the environment variables."""
    defaults = Settings().model_dump(mode="json", by_alias=False)
    rows = []
    for name, field in Settings.model_fields.items():
        variable = PREFIX + name.upper()
        group = field.annotation
        if isinstance(group, type) and issubclass(group, Model):
            rows.append((markdown.code(variable), "", field.description or ""))
            inner_defaults = group().model_dump(mode="json", by_alias=False)
            for inner_name, inner in group.model_fields.items():
                place = f"{markdown.code(variable)}: {markdown.code(str(inner.alias))}"
                rows.append((place, _default(inner_defaults[inner_name]), inner.description or ""))
        else:
            rows.append((markdown.code(variable), _default(defaults[name]), field.description or ""))
    return markdown.page(
        "Settings of the operator",
        "Environment variables of `testrun operator`. The chart sets them from its [values](values.md); set them by "
        "hand only when you run the operator without it. A wrong one stops the operator with a message that names it.",
        "`operator/testrun_operator/controller/settings.py`",
        markdown.table(("variable", "default", "meaning"), rows),
    )


def _default(value: object) -> str:
    text = value if isinstance(value, str) else "" if value in (None, [], {}) else json.dumps(value)
    return markdown.code(text)


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
        [*markdown.table(("metric", "type", "labels", "meaning"), rows), "", *_alerts()],
    )


def _alerts() -> Iterator[str]:
    yield from ("## Alerts", "", "To begin with, as a file of rules for Prometheus:", "", "```yaml")
    yield from ("groups:", "  - name: testrun", "    rules:")
    for alert in ALERTS:
        yield f"      - alert: {alert.name}"
        yield f"        expr: {alert.expression}"
        if alert.lasting is not None:
            yield f"        for: {alert.lasting}"
        yield f"        annotations: {{summary: {json.dumps(alert.summary)}}}"
    yield "```"
