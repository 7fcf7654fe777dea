"""Which commit a ref stands for, by what a server advertises."""

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass

from testrun_operator.sources.fetched import GitRefused
from testrun_operator.sources.paths import printable

ID_LENGTH = 40
_ID = re.compile(r"[0-9a-f]{4,40}")
_SHA256_ID = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"[^\s\x00-\x1f\x7f~^:?*\[\\]+")
HEADS = b"refs/heads/"
TAGS = b"refs/tags/"


@dataclass(frozen=True, slots=True)
class ResolvedRef:
    """What a ref stands for. With neither field set, it is an abbreviated id that no branch or tag has."""

    advertised: bytes | None = None
    """The object id that the server advertises for it: of a commit, or of an annotated tag."""
    commit: bytes | None = None
    """A full id that the server does not advertise, but may know."""


def check_ref(ref: str) -> None:
    """Check that a text can be a ref.

    Raises:
        GitRefused: it cannot.
    """
    if _SHA256_ID.fullmatch(ref.lower()):
        raise GitRefused(
            "ref", "is the id of a repository with SHA-256, which is not supported; name a branch of one with SHA-1"
        )
    if not _NAME.fullmatch(ref) or ref.startswith("-") or ".." in ref or "@{" in ref:
        raise GitRefused("ref", f"{printable(ref)!r} is not the name of a branch or tag, nor the id of a commit")


def prefixes_for(ref: str) -> list[bytes]:
    """Return the beginnings of the names that a server is to advertise."""
    return [b"HEAD", HEADS, TAGS, *([ref.encode()] if ref.startswith("refs/") else [])]


def resolve_ref(ref: str, advertised: Mapping[bytes, bytes]) -> ResolvedRef:
    """Find what a ref stands for: ``HEAD``, a branch, a tag, a full name such as ``refs/pull/7/head``, or an id.

    Args:
        ref: as the case has it, rendered.
        advertised: object ids by the names of refs.

    Raises:
        GitRefused: it stands for nothing, or for more than one thing.
    """
    if not advertised:
        raise GitRefused("url", "leads to a repository that is empty")
    if any(len(identifier) != ID_LENGTH for identifier in advertised.values()):
        raise GitRefused("url", "leads to a repository with SHA-256, which is not supported; only SHA-1 is")
    if ref == "HEAD" and b"HEAD" not in advertised:
        raise GitRefused("ref", "the repository's HEAD leads nowhere; name a branch")
    name = ref.encode()
    branch, tag = advertised.get(HEADS + name), advertised.get(TAGS + name)
    if branch is not None and tag is not None and branch != tag:
        raise GitRefused("ref", f"{ref!r} is both a branch and a tag; write refs/heads/{ref} or refs/tags/{ref}")
    found = branch or tag or advertised.get(name) or advertised.get(b"refs/" + name)
    if found is not None:
        return ResolvedRef(found)
    identifier = ref.lower().encode()
    if not _ID.fullmatch(ref.lower()):
        raise GitRefused("ref", _unknown(ref, advertised))
    ids = {value for value in advertised.values() if value.startswith(identifier)}
    if len(identifier) == ID_LENGTH:
        return ResolvedRef(commit=identifier)
    return ResolvedRef(ids.pop()) if len(ids) == 1 else ResolvedRef()


def _unknown(ref: str, advertised: Mapping[bytes, bytes]) -> str:
    names = sorted(
        {
            name.removeprefix(HEADS).removeprefix(TAGS).decode("utf-8", "replace")
            for name in advertised
            if name.startswith((HEADS, TAGS)) and not name.endswith(b"^{}")
        }
    )
    similar = difflib.get_close_matches(ref, names[:2000], n=3) or names[:3]
    there_is = f"; there is for instance {', '.join(map(printable, similar))}" if similar else ""
    return f"the repository has no branch or tag {ref!r}{there_is}"
