"""Checks and parses the address of a Git repository."""

from dataclasses import dataclass
from urllib.parse import SplitResult, unquote, urlsplit

from testrun_operator.sources.fetched import GitRefused
from testrun_operator.sources.paths import problem_of_name

HTTP = ("http", "https")
_DEFAULT_PORTS = {"http": 80, "https": 443, "git": 9418}
_SSH = "use https, with a user name and a password or token in secretRef"

Origin = tuple[str, str, int]
"""Scheme, host and port."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a repository is."""

    url: str
    """The address, without credentials."""
    origin: Origin
    path: str
    """Path of the repository on the server, percent-decoded."""
    name: str
    """A name for its folder: the last part of the path, without ``.git``."""

    @property
    def is_http(self) -> bool:
        """Whether it is reached by http or https, and not by Git's own protocol."""
        return self.origin[0] in HTTP


def parse_address(url: str) -> Address:
    """Check and parse the address of a repository.

    Args:
        url: the address in the case, rendered.

    Raises:
        GitRefused: files cannot be fetched from this address. The message says what would be right, and does not repeat
            the address, which may contain credentials.
    """
    if any(char.isspace() or not char.isprintable() for char in url):
        raise GitRefused("url", "contains blanks or control characters")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise GitRefused("url", f"is not an address: {error}") from None
    if parts.scheme not in _DEFAULT_PORTS:
        raise GitRefused("url", _describe_scheme(url, parts))
    if "@" in parts.netloc:
        raise GitRefused("url", "must not contain credentials; use secretRef")
    if not parts.hostname:
        raise GitRefused("url", "has no host")
    if parts.query or parts.fragment:
        raise GitRefused("url", "must end with the path of the repository, without '?' and '#'")
    path = unquote(parts.path)
    if not path.strip("/"):
        raise GitRefused("url", "has no path of a repository behind its host")
    if "\0" in path or "//" in path:
        raise GitRefused("url", "has a path that no repository can have")
    name = path.rstrip("/").rpartition("/")[2].removesuffix(".git")
    if problem_of_name(name) or name.startswith("."):
        name = "repository"
    origin = (parts.scheme, parts.hostname, port or _DEFAULT_PORTS[parts.scheme])
    return Address(url.rstrip("/"), origin, path, name)


def origin_of(url: str) -> Origin | None:
    """Return the origin of an address that a server redirects to; None if it is no address of http or https."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in HTTP or not parts.hostname:
        return None
    return parts.scheme, parts.hostname, port or _DEFAULT_PORTS[parts.scheme]


def _describe_scheme(url: str, parts: SplitResult) -> str:
    if parts.scheme in ("ssh", "git+ssh", "ssh+git"):
        return f"is an address of SSH, which is not spoken here; {_SSH}"
    if parts.scheme == "file" or url.startswith(("/", ".")):
        return "is a path on a machine; give the address of a server: https://, http:// or git://"
    before, colon, _ = url.partition(":")
    if colon and "/" not in before and "://" not in url:
        return f"is an address of SSH, as host:path, which is not spoken here; {_SSH}"
    return "must begin with https://, http:// or git://"
