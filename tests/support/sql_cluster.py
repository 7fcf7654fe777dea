"""What tests of `sql` cases need in a cluster: a database of their own, and a Git server."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from support.cluster import POSTGRES, ROOT, SYSTEM_NAMESPACE, Body, Namespace, query, temporary_namespace

LEDGER = ROOT / "examples" / "sql" / "ledger"
SERVER = ROOT / "ci" / "images" / "git" / "server.yaml"


@dataclass(frozen=True)
class OwnDatabase:
    """A database in the chart's Postgres, and the role that owns it; the role may make copies of it."""

    name: str
    password: str

    def dsn(self, port: int = 5432) -> str:
        """Return the connection string, as pods use it."""
        host = f"{POSTGRES}.{SYSTEM_NAMESPACE}.svc.cluster.local"
        return f"postgresql://{self.name}:{self.password}@{host}:{port}/{self.name}"

    def statements(self, marker: str) -> list[str]:
        """Return the statements with a marker that the role has running on the server."""
        rows = query(
            f"SELECT query FROM pg_stat_activity WHERE usename = '{self.name}' AND state = 'active'"
            f" AND query LIKE '%{marker}%'"
        )
        return [row[0] for row in rows]

    def others(self) -> list[str]:
        """Return the names of databases that the role owns besides this one."""
        rows = query(
            "SELECT datname FROM pg_database JOIN pg_roles ON pg_roles.oid = datdba"
            f" WHERE rolname = '{self.name}' AND datname <> '{self.name}'"
        )
        return [row[0] for row in rows]


@contextmanager
def own_database() -> Iterator[OwnDatabase]:
    """Make a database and its role, and remove both."""
    made = OwnDatabase(f"sql_{uuid4().hex[:10]}", f"s3cr3t-{uuid4().hex}")
    query(f"CREATE ROLE {made.name} LOGIN CREATEDB PASSWORD '{made.password}'")
    query(f"CREATE DATABASE {made.name} OWNER {made.name}")
    try:
        yield made
    finally:
        for name in [*made.others(), made.name]:
            query(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        query(f"DROP ROLE {made.name}")


def add_secret(namespace: Namespace, name: str, **values: str) -> None:
    """Make a Secret; its keys have dots where the arguments' names have two underscores."""
    literals = [f"--from-literal={key.replace('__', '.')}={value}" for key, value in values.items()]
    namespace.kubectl("create", "secret", "generic", name, *literals)


@dataclass(frozen=True)
class GitServer:
    """A Git server in a namespace of its own."""

    namespace: Namespace
    username: str
    password: str
    authority: str
    """The certificate of its HTTPS port, which is its own authority."""

    @property
    def host(self) -> str:
        """Return its name inside the cluster."""
        return f"git-server.{self.namespace.name}.svc.cluster.local"

    def url(self, repository: str, scheme: str = "http") -> str:
        """Return the address of a repository such as ``public/ledger.git``."""
        return f"{scheme}://{self.host}/git/{repository}"

    def commit(self, repository: str, files: Path, branch: str = "main") -> str:
        """Make the files of a folder the next commit of a repository, and return its id."""
        packed = subprocess.run(["tar", "-C", str(files), "-c", "."], capture_output=True, check=True).stdout
        words = ["-n", self.namespace.name, "exec", "-i", "deploy/git-server", "--"]
        done = subprocess.run(
            ["kubectl", *words, "git-commit-files", repository, branch],
            input=packed,
            capture_output=True,
            check=True,
            timeout=60,
        )
        return done.stdout.decode().strip()


@contextmanager
def running_git_server(folder: Path) -> Iterator[GitServer]:
    """Deploy the Git server, and take it away.

    Args:
        folder: an empty folder for its key and certificate.
    """
    subprocess.run([ROOT / "ci" / "git-server"], check=True, capture_output=True, timeout=600)
    with temporary_namespace(f"git-{uuid4().hex[:5]}") as namespace:
        key, certificate = folder / "tls.key", folder / "tls.crt"
        subprocess.run(
            [
                *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
                *("-days", "2", "-subj", "/CN=git-server", "-keyout", str(key), "-out", str(certificate)),
                *("-addext", f"subjectAltName=DNS:git-server.{namespace.name}.svc.cluster.local"),
            ],
            check=True,
            capture_output=True,
        )
        server = GitServer(namespace, "reader", f"s3cr3t: {uuid4().hex}", certificate.read_text())
        add_secret(namespace, "git-credentials", username=server.username, password=server.password)
        namespace.kubectl("create", "secret", "tls", "git-server-tls", f"--cert={certificate}", f"--key={key}")
        namespace.kubectl("apply", "-f", str(SERVER))
        namespace.kubectl("rollout", "status", "deployment/git-server", "--timeout=90s")
        yield server


def sql(name: str, source: Body | str, **more: Any) -> Body:
    """Make a case of kind sql of the connection ``db``; a text as the source is an inline one."""
    files = {"inline": source} if isinstance(source, str) else source
    own = {key: more.pop(key) for key in ("select", "isolation", "parallel", "skipSchemaLoad") if key in more}
    return {"name": name, "sql": {"connection": "db", "source": files, **own}, **more}


def is_native() -> bool:
    """Say whether the cluster is the native one, for which alone the Git server's image is made."""
    printed = subprocess.run([ROOT / "ci" / "cluster", "kind-of"], capture_output=True, text=True, check=True).stdout
    return printed.startswith("native")
