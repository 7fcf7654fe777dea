"""A real MariaDB for tests: Debian's packages on a data directory of its own, ended and removed afterwards.

Needs the packages ``mariadb-server-core`` and ``mariadb-client-core``, which bring the programs and start no service.
Where the tests run as root the server runs as the user ``mysql`` or ``nobody``, since it refuses to be root.
"""

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from itertools import count
from pathlib import Path
from urllib.parse import quote

import pymysql
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pymysql.constants import CLIENT

PASSWORD = "correct-horse:battery/staple@1"  # with what has to be percent-encoded in a URL

_START_SECONDS = 60.0
_STOP_SECONDS = 30.0
_VALIDITY = timedelta(days=1)
_OPTIONS = (
    "--no-defaults",
    "--bind-address=127.0.0.1",
    "--skip-name-resolve",
    "--skip-log-bin",
    "--character-set-server=utf8mb4",
    "--default-time-zone=+05:45",  # so that a time written in the server's zone is noticed
    "--event-scheduler=OFF",
    "--lc-messages-dir=/usr/share/mysql",
    # Small and fast: nothing in it outlives the tests.
    "--innodb-buffer-pool-size=64M",
    "--innodb-log-file-size=16M",
    "--innodb-flush-log-at-trx-commit=0",
    "--innodb-doublewrite=OFF",
    "--innodb-fast-shutdown=2",
    "--max-connections=60",
)


def _program(name: str) -> str:
    """Find a program of the server.

    Raises:
        RuntimeError: it is not on this machine.
    """
    found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    if found is None:
        raise RuntimeError("these tests need a MariaDB server: apt-get install mariadb-server-core mariadb-client-core")
    return found


def _unprivileged_user() -> str | None:
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "mysql" if "mysql" in names else "nobody"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class MariadbServer:
    """A server on a port of the loopback interface. ``admin`` may do everything, with the password ``PASSWORD``."""

    folder: Path
    user: str | None
    encrypted: bool = False
    port: int = field(default_factory=_free_port)
    _process: subprocess.Popen[bytes] | None = None
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    @property
    def certificate(self) -> Path:
        """The certificate of an encrypted server, made by itself for the address 127.0.0.1."""
        return self.folder / "certificate.pem"

    def create(self) -> None:
        """Make the data directory."""
        self.folder.chmod(0o700)
        first_statements = self.folder / "first.sql"
        first_statements.write_text(
            f"CREATE OR REPLACE USER 'admin'@'%' IDENTIFIED BY '{PASSWORD}';\n"
            "GRANT ALL ON *.* TO 'admin'@'%' WITH GRANT OPTION;\n"
        )
        if self.encrypted:
            _make_certificate(self.certificate, self.folder / "key.pem")
        if self.user:
            for path in (self.folder, *self.folder.iterdir()):
                shutil.chown(path, self.user)
        with (self.folder / "output").open("w") as output:
            done = subprocess.run(
                [
                    *(_program("mariadb-install-db"), "--no-defaults", f"--datadir={self.folder}/data"),
                    *("--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve", "--force"),
                ],
                check=False,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                **self._identity(),
            )
        if done.returncode != 0:
            raise RuntimeError(f"mariadb-install-db failed: {(self.folder / 'output').read_text()}")

    def start(self) -> None:
        """Start the server and wait until it answers."""
        with (self.folder / "log").open("a") as log:
            self._process = subprocess.Popen(
                [
                    *(_program("mariadbd"), *_OPTIONS, f"--datadir={self.folder}/data", f"--port={self.port}"),
                    *(f"--socket={self.folder}/socket", f"--init-file={self.folder}/first.sql"),
                    f"--pid-file={self.folder}/pid",
                    *([f"--ssl-cert={self.certificate}", f"--ssl-key={self.folder}/key.pem"] if self.encrypted else []),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                **self._identity(),
            )
        until = time.monotonic() + _START_SECONDS
        while True:
            try:
                self.execute("SELECT 1")
            except pymysql.OperationalError as error:
                if self._process.poll() is not None or time.monotonic() > until:
                    raise RuntimeError(f"mariadbd did not start: {(self.folder / 'log').read_text()}") from error
                time.sleep(0.05)
            else:
                return

    def stop(self) -> None:
        """Stop the server as if the power failed."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(_STOP_SECONDS)
            self._process = None

    def url(self, database: str | None = None, user: str = "admin", password: str = PASSWORD) -> str:
        """Give the address of a database for a user."""
        return f"mariadb://{user}:{quote(password, safe='')}@127.0.0.1:{self.port}/{database or ''}"

    def new_database(self) -> str:
        """Create an empty database and give its name."""
        name = f"test_{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name}")
        return name

    def new_user(self, *grants: str, password: str = PASSWORD) -> str:
        """Create a user and give its name; each grant is as ``SELECT ON app.*``."""
        name = f"user_{next(self._numbers)}"
        self.execute(f"CREATE USER '{name}'@'%' IDENTIFIED BY '{password}'")
        for grant in grants:
            self.execute(f"GRANT {grant} TO '{name}'@'%'")
        return name

    def execute(self, statement: str, database: str | None = None) -> tuple[tuple[object, ...], ...]:
        """Run a statement as ``admin`` and give its rows."""
        connection = pymysql.connect(
            host="127.0.0.1",
            port=self.port,
            user="admin",
            password=PASSWORD,
            database=database,
            autocommit=True,
            client_flag=CLIENT.MULTI_STATEMENTS,
        )
        with connection, connection.cursor() as cursor:
            cursor.execute(statement)
            rows = cursor.fetchall()
            while cursor.nextset():
                rows = cursor.fetchall()
            return tuple(rows)

    def run_client(self, script: str, database: str) -> str:
        """Run a script by the server's own client, and give what it writes."""
        done = subprocess.run(
            [
                *(_program("mariadb"), "--no-defaults", "--host=127.0.0.1", f"--port={self.port}", "--user=admin"),
                *(f"--password={PASSWORD}", "--batch", "--comments", "--default-character-set=utf8mb4", database),
            ],
            check=True,
            input=script.encode(),
            capture_output=True,
        )
        return done.stdout.decode()

    def _identity(self) -> dict[str, object]:
        """Give the arguments with which a program runs as the server's user, where ours has all rights."""
        if not self.user:
            return {}
        return {"user": self.user, "group": pwd.getpwnam(self.user).pw_gid, "extra_groups": [], "cwd": self.folder}


def _make_certificate(certificate: Path, key: Path) -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "testrun")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder(name, name, private.public_key(), x509.random_serial_number(), now, now + _VALIDITY)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(private, hashes.SHA256())
    )
    certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    key.write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )


@contextlib.contextmanager
def running_mariadb(*, encrypted: bool = False) -> Iterator[MariadbServer]:
    """Start a server for a block of code.

    Args:
        encrypted: whether it has a certificate, and so can encrypt connections.
    """
    folder = Path(tempfile.mkdtemp(prefix="testrun-mariadb-"))
    server = MariadbServer(folder, _unprivileged_user(), encrypted)
    try:
        server.create()
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)
