"""Git over http and https. What urllib3 raises becomes an exception of ours here, and nowhere else."""

import base64
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.request import getproxies, proxy_bypass

import urllib3
from dulwich.client import GitClient, Urllib3HttpGitClient, default_user_agent_string
from urllib3.exceptions import HTTPError, MaxRetryError

from testrun_operator.api.environment import GIT_CA_VARIABLE, GIT_PASSWORD_VARIABLE, GIT_USERNAME_VARIABLE
from testrun_operator.httpclient.httpx_import import httpx
from testrun_operator.sources.fetched import Deadline, GitRefused, SourceUnavailable
from testrun_operator.sources.git_address import Address, Origin, origin_of
from testrun_operator.sources.paths import printable

CONNECT_SECONDS = 10.0
"""An address that does not even refuse a connection is not waited for any longer."""
IDLE_SECONDS = 60.0
"""A server that says nothing for so long has gone. Preparing the files of a large repository takes it a while."""
_MAX_REDIRECTS = 5
_DEFAULT_USER = "git"
"""With a token as the password, servers do not look at the user's name, but there must be one."""
_ADVERTISEMENT = "application/x-git-upload-pack-advertisement"
_OK = 200
_NOT_FOUND = (404, 410)
_UNAUTHORIZED = (401, 403)


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a server wants to see before it gives a repository."""

    username: str = ""
    password: str = field(default="", repr=False)
    authority: str = field(default="", repr=False)
    """Certificates of authorities that are trusted besides the usual ones, as PEM."""

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> "Credentials":
        """Return the credentials in a process's environment variables."""
        # Files that became Secrets often end with a line feed.
        username = environment.get(GIT_USERNAME_VARIABLE, "").strip("\r\n")
        password = environment.get(GIT_PASSWORD_VARIABLE, "").strip("\r\n")
        return cls(username, password, environment.get(GIT_CA_VARIABLE, ""))

    @property
    def given(self) -> bool:
        """Whether there is a user name or a password."""
        return bool(self.username or self.password)

    def header(self) -> str:
        """Return the value of the header Authorization."""
        pair = f"{self.username or _DEFAULT_USER}:{self.password}"
        return f"Basic {base64.b64encode(pair.encode()).decode()}"


def http_client(address: Address, credentials: Credentials, deadline: Deadline) -> GitClient:
    """Return a client for a repository; its ``path`` is empty, since the address is complete.

    Args:
        address: of the repository.
        credentials: sent to the address's own host and to no other, wherever that redirects to.
        deadline: until when the server must have answered.

    Raises:
        GitRefused: the certificates in ``credentials`` are none.
    """
    settings: dict[str, Any] = {
        "headers": {"User-Agent": default_user_agent_string()},
        "retries": urllib3.Retry(total=_MAX_REDIRECTS, connect=0, read=0, redirect=_MAX_REDIRECTS, status=0, other=0),
    }
    if address.origin[0] == "https" or credentials.authority:
        settings["ssl_context"] = _trust(credentials.authority)
    scheme, host, _ = address.origin
    proxy = getproxies().get(scheme)
    pool: _Guarded = _Pool(**settings)
    if proxy and not proxy_bypass(host):
        pool = _ProxyPool(proxy, **settings)
    pool.guard(address.origin, credentials, deadline)
    return Urllib3HttpGitClient(address.url, pool_manager=pool, thin_packs=False, quiet=True)


def _trust(authority: str) -> ssl.SSLContext:
    context = httpx.create_ssl_context()
    if authority:
        try:
            context.load_verify_locations(cadata=authority)
        except (ssl.SSLError, ValueError):
            raise GitRefused("secretRef", "its key ca.crt is no certificate in the form of PEM") from None
    return context


class _Guarded(urllib3.PoolManager):
    """Sends requests, follows redirects, and lets no credentials go to another host."""

    def guard(self, home: Origin, credentials: Credentials, deadline: Deadline) -> None:
        self._home = home
        self._credentials = credentials
        self._deadline = deadline

    def urlopen(  # type: ignore[override]  # as in urllib3 itself
        self,
        method: str,
        url: str,
        redirect: bool = True,  # noqa: FBT001, FBT002 - urllib3's
        **options: Any,
    ) -> urllib3.BaseHTTPResponse:
        """Send a request; urllib3 calls this again for each redirect."""
        origin = origin_of(url)
        host = printable(origin[1]) if origin else "another address"
        if origin is None or (self._home[0] == "https" and origin[0] != "https"):
            raise SourceUnavailable(f"the Git server redirects to {host} without https, which is not followed")
        is_home = origin == self._home
        headers = {name: value for name, value in options.pop("headers", {}).items() if name.lower() != "authorization"}
        if is_home and self._credentials.given:
            headers["Authorization"] = self._credentials.header()
        options["timeout"] = urllib3.Timeout(
            connect=self._deadline.seconds(CONNECT_SECONDS), read=self._deadline.seconds(IDLE_SECONDS)
        )
        try:
            response = super().urlopen(method, url, redirect=redirect, headers=headers, **options)
        except HTTPError as error:
            raise unreachable(host, error) from None
        self._check(response, host, is_home=is_home)
        return response

    def _check(self, response: urllib3.BaseHTTPResponse, host: str, *, is_home: bool) -> None:
        status = response.status
        if status in _UNAUTHORIZED:
            raise self._unauthorized(status, host, is_home=is_home)
        if status in _NOT_FOUND:
            hidden = "; some servers say so, too, where the credentials are missing or may not see it"
            raise GitRefused("url", f"{host} has no such repository (status {status}){hidden}")
        if status != _OK:
            raise SourceUnavailable(f"the Git server {host} answered with status {status}")
        kind = response.headers.get("Content-Type", "").partition(";")[0].strip()
        if not kind.startswith("application/x-git-"):
            what = f"what answers there is no Git server (content type {printable(kind) or 'missing'})"
            raise GitRefused("url", f"{what}; the address must be that which `git clone` takes")

    def _unauthorized(self, status: int, host: str, *, is_home: bool) -> GitRefused:
        if not is_home:
            message = f"it redirects to {host}, which wants credentials (status {status}); they are not sent there"
            return GitRefused("url", f"{message}. Give that address instead")
        if not self._credentials.given:
            return GitRefused("secretRef", f"{host} wants credentials (status {status}), and none are given")
        return GitRefused("secretRef", f"{host} refuses these credentials (status {status})")


class _Pool(_Guarded):
    """Without a proxy."""


class _ProxyPool(_Guarded, urllib3.ProxyManager):
    """Through a proxy."""


def unreachable(host: str, error: BaseException) -> SourceUnavailable:
    """Return what is raised where a server cannot be reached, or went away in the middle.

    Args:
        host: for the message.
        error: what a library raised.
    """
    return SourceUnavailable(f"the Git server {host} cannot be reached: {_describe(error)}")


def _describe(error: BaseException) -> str:
    """Say in a few words what happened; libraries wrap errors of the system in several of their own."""
    causes: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None:
        causes.append(cause)
        reason = cause.reason if isinstance(cause, MaxRetryError) else None
        cause = reason or cause.__cause__ or cause.__context__
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return (
                f"its certificate is not trusted ({cause.verify_message}); secretRef may name its authority as ca.crt"
            )
        if isinstance(cause, OSError) and cause.strerror and not isinstance(cause, TimeoutError):
            return cause.strerror
    # Only now, since to urllib3 a connection that is refused is one that timed out, too.
    if any(isinstance(cause, TimeoutError | urllib3.exceptions.TimeoutError) for cause in causes):
        return "it did not answer in time"
    return type(error).__name__
