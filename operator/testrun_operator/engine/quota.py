"""What the API server says of a quota, in its words for people: no other field tells it."""

_PASSING = ("exceeded quota: ", "status unknown for quota: ")


def waits_for_quota(refusal: str) -> bool:
    """Whether the API server's words of a Job or pod that it refuses say that a quota is used up, or is new.

    Of a quota that demands what the pod does not say (``failed quota: … must specify limits.cpu``) no waiting helps.
    """
    return any(words in refusal for words in _PASSING)
