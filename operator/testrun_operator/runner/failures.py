"""What failed, in one message that fits into a report."""

from collections.abc import Sequence

from testrun_operator.api.report import MAX_MESSAGE_CHARACTERS
from testrun_operator.masking import Masker


def join_failures(sentences: Sequence[str], masker: Masker) -> str:
    """Return the first failures in one message of at most 1024 characters.

    Args:
        sentences: what failed, one sentence each, masked already but for the first.
        masker: keeps secrets out of what is cut.
    """
    message = ""
    for index, sentence in enumerate(sentences):
        rest = len(sentences) - index
        more = f"; and {rest} more" if rest > 1 or message else ""
        joined = (
            f"{message}; {sentence}" if message else masker.excerpt(sentence, MAX_MESSAGE_CHARACTERS - len(more) - 1)
        )
        if len(joined) + len(more) > MAX_MESSAGE_CHARACTERS:
            return message + more
        message = joined
    return message
