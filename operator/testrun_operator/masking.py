"""Keeps secrets out of everything that leaves the pod: messages, details, outputs and the log."""

import json
import re
from collections.abc import Iterable
from urllib.parse import quote

from pydantic import JsonValue

from testrun_operator.api.report import ExecutionReport

MASK = "***"
MIN_SECRET_LENGTH = 4
"""A shorter value is not masked: it would be found everywhere, and the result would be unreadable."""
_EXCERPT_LENGTH = 200
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f]")
"""What a terminal would obey."""
_UNSTORABLE = re.compile(r"[\x00\ud800-\udfff]")
"""What UTF-8 or PostgreSQL cannot hold."""


class Masker:
    """Replaces every occurrence of a secret by ``***``, also where it is escaped as JSON or in an address.

    Args:
        secrets: the secrets.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        self._forms: list[str] = []
        self.learn(secrets)

    def learn(self, secrets: Iterable[str]) -> None:
        """Keep further secrets out from now on."""
        forms = set(self._forms)
        for secret in secrets:
            for value in (secret, secret.strip()):
                forms |= {value, json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]}
                forms |= {quote(value), quote(value, safe=""), repr(value)[1:-1]}
        # The longest first: one secret may contain another.
        self._forms = sorted((form for form in forms if len(form) >= MIN_SECRET_LENGTH), key=len, reverse=True)

    def text(self, text: str) -> str:
        """Return the text without secrets."""
        for form in self._forms:
            text = text.replace(form, MASK)
        return _UNSTORABLE.sub(_escape, text)

    def value(self, value: JsonValue) -> JsonValue:
        """Return a JSON value without secrets, in its texts and its keys."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self.value(item) for item in value]
        if isinstance(value, dict):
            return {self.text(key): self.value(item) for key, item in value.items()}
        return value

    def excerpt(self, text: str, limit: int = _EXCERPT_LENGTH) -> str:
        """Return the beginning of a text on one line, masked before it is cut so that no half of a secret remains."""
        masked = self.text(text)
        cut = masked[:limit] + "…" if len(masked) > limit else masked
        return _UNPRINTABLE.sub(_escape, " ".join(cut.split()))

    def show(self, value: JsonValue, limit: int = _EXCERPT_LENGTH) -> str:
        """Return the beginning of a value as JSON."""
        return self.excerpt(json.dumps(value, ensure_ascii=False), limit)


def mask_execution(execution: ExecutionReport, masker: Masker) -> ExecutionReport:
    """Return what is reported of an execution without secrets. Its id is none, whatever digits it has.

    An address with a secret in it is left out: masked, it would lead nowhere.
    """
    page = execution.page if execution.page is not None and masker.text(execution.page) == execution.page else None
    return execution.model_copy(
        update={
            "status": masker.text(execution.status),
            "page": page,
            "events": {masker.text(name): count for name, count in execution.events.items()},
            "last_events": tuple(
                event.model_copy(
                    update={name: masker.text(getattr(event, name)) for name in ("type", "status", "node")}
                )
                for event in execution.last_events
            ),
        }
    )


def _escape(match: re.Match[str]) -> str:
    return match.group().encode("unicode_escape").decode()
