"""Real Git servers for tests: `git http-backend` behind Python's HTTP server, and `git daemon`.

Needs Debian's package ``git``. Repositories are made by the real program, in a folder of their own.
"""

import base64
import contextlib
import os
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

NO_CONFIGURATION = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_AUTHOR_NAME": "Ann",
    "GIT_AUTHOR_EMAIL": "ann@example.com",
    "GIT_COMMITTER_NAME": "Ann",
    "GIT_COMMITTER_EMAIL": "ann@example.com",
}


def git(folder: Path, *arguments: str, text: str | None = None) -> str:
    """Run the program in a folder, and return what it writes, without blanks around it."""
    done = subprocess.run(
        ["git", *arguments],
        cwd=folder,
        env={**os.environ, **NO_CONFIGURATION},
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@dataclass
class Repository:
    """A repository with a working tree."""

    folder: Path

    @classmethod
    def create(cls, folder: Path, *, settings: Mapping[str, str] | None = None) -> "Repository":
        """Make an empty one, with the branch `main`, that may be read by everybody."""
        folder.mkdir(parents=True)
        git(folder, "init", "--quiet", "--initial-branch=main")
        for name, value in (settings or {}).items():
            git(folder, "config", name, value)
        (folder / ".git" / "git-daemon-export-ok").touch()
        return cls(folder)

    def commit(self, files: Mapping[str, str | bytes], message: str = "Change") -> str:
        """Write files, commit all there is, and return the commit's id."""
        for path, content in files.items():
            file = self.folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content.encode() if isinstance(content, str) else content)
        git(self.folder, "add", "--all")
        git(self.folder, "commit", "--quiet", "--allow-empty", f"--message={message}")
        return git(self.folder, "rev-parse", "HEAD")

    def git(self, *arguments: str, text: str | None = None) -> str:
        """Run the program in it."""
        return git(self.folder, *arguments, text=text)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def git_daemon(root: Path) -> Iterator[str]:
    """Run `git daemon` for all repositories below a folder; yield its address, as `git://127.0.0.1:9418`."""
    port = _free_port()
    process = subprocess.Popen(
        ["git", "daemon", f"--base-path={root}", "--reuseaddr", "--listen=127.0.0.1", f"--port={port}", str(root)],
        env={**os.environ, **NO_CONFIGURATION},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        until = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                assert process.poll() is None
                assert time.monotonic() < until
                time.sleep(0.02)
        yield f"git://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)


@dataclass
class HttpServer:
    """A server of repositories over http or https."""

    url: str
    requests: list[tuple[str, str | None]] = field(default_factory=list)
    """Each request's path with its query, and its header Authorization."""


@contextlib.contextmanager
def http_server(
    root: Path,
    *,
    user: str = "",
    password: str = "",
    redirect: Callable[[str], str | None] = lambda _: None,
    certificate: Path | None = None,
    protocol: int = 2,
) -> Iterator[HttpServer]:
    """Run `git http-backend` for all repositories below a folder.

    Args:
        root: the folder.
        user: if not empty, who may read, with basic authentication.
        password: of the user.
        redirect: gives for a path with its query where the client is redirected to, or None.
        certificate: a file with a key and a certificate, for https.
        protocol: the version of Git's protocol that the server speaks, whatever the client asks for.
    """
    expected = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode() if user else None

    class Handler(BaseHTTPRequestHandler):
        server_log: ClassVar[list[tuple[str, str | None]]] = []

        def log_message(self, *_: object) -> None:
            """Say nothing."""

        def do_GET(self) -> None:
            self._answer()

        def do_POST(self) -> None:
            self._answer()

        def _answer(self) -> None:
            authorization = self.headers.get("Authorization")
            self.server_log.append((self.path, authorization))
            if self.path.startswith("http://"):  # to a proxy, which this server is, too: for a host that is itself
                self.path = "/" + self.path.split("/", 3)[3]
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            target = redirect(self.path)
            if target is not None:
                self.send_response(302)
                self.send_header("Location", target)
                self.send_header("Content-Length", "0")
                self.end_headers()
            elif expected is not None and authorization != expected:
                self.send_response(401)
                self.send_header("WWW-Authenticate", 'Basic realm="git"')
                self.send_header("Content-Length", "0")
                self.end_headers()
            else:
                self._backend(body)

        def _backend(self, body: bytes) -> None:
            path, _, query = self.path.partition("?")
            done = subprocess.run(
                ["git", "http-backend"],
                env={
                    **os.environ,
                    **NO_CONFIGURATION,
                    "GIT_PROJECT_ROOT": str(root),
                    "GIT_HTTP_EXPORT_ALL": "1",
                    "PATH_INFO": path,
                    "QUERY_STRING": query,
                    "REQUEST_METHOD": self.command,
                    "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                    "CONTENT_LENGTH": str(len(body)),
                    "GIT_PROTOCOL": self.headers.get("Git-Protocol", "") if protocol == 2 else "",
                    "REMOTE_ADDR": "127.0.0.1",
                    "SERVER_PROTOCOL": "HTTP/1.1",
                },
                input=body,
                capture_output=True,
                check=False,
            )
            head, _, content = done.stdout.partition(b"\r\n\r\n")
            headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if ": " in line)
            self.send_response(int(headers.pop("Status", "200 OK").split()[0]))
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    scheme = "http"
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        scheme = "https"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield HttpServer(f"{scheme}://127.0.0.1:{server.server_port}", Handler.server_log)
    finally:
        server.shutdown()
        server.server_close()
        thread.join(20)
