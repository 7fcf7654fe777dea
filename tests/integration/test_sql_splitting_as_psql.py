"""Scripts are split as psql splits them: both are given the same random scripts."""

import re
import socketserver
import struct
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tests.integration.postgres import find_programs

from testrun_operator.databases.splitting import split_statements

pytestmark = pytest.mark.postgres

_WORD = re.compile(r"w[0-9]+")
_FRAGMENTS = (
    *(" ", "\n", "\t", ";", ";\n", "; ", "(", ")", ",", "-", "/", "=", "::", "word"),
    *(
        "'word'",
        "'word;word'",
        "'word''word;'",
        "E'word\\';word'",
        "E'\\\\'",
        "U&'word;'",
        "N'word;'",
        "x'1f'",
        "'a\nb;'",
    ),
    *('"word;"', '"word""word;"', "$$word;word'$$", "$t$ word;$$;word $t$", "$été$;$été$", "$$ \"' -- /* $$"),
    *("--;\n", "-- '\n", "/*;*/", "/* ' ; */", "/* /* ; */ ; ' */", "/* -- */", "/**/", "--\n"),
    *(
        " create function word ",
        " CREATE OR REPLACE procedure word ",
        " begin ",
        " BEGIN ATOMIC ",
        " case ",
        " end ",
        " END;",
    ),
    *("create rule word ", "select", "insert into word values (word, 'word;')", "e", "a$b", "été"),
)


@dataclass
class _Server:
    """Takes what psql sends, and answers that it was done."""

    port: int = 0
    statements: list[str] = field(default_factory=list)

    def split(self, script: str) -> list[str]:
        """Let psql split a script."""
        self.statements.clear()
        subprocess.run(
            [
                find_programs() / "psql",
                "-X",
                "-q",
                f"host=127.0.0.1 port={self.port} user=u dbname=d sslmode=disable gssencmode=disable",
            ],
            input=script.encode(),
            check=False,
            capture_output=True,
            timeout=30,
        )
        return list(self.statements)


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!I", len(body) + 4) + body


_READY = _message(b"Z", b"I")


@pytest.fixture(scope="module")
def server() -> Iterator[_Server]:
    """Start a server that speaks as much of PostgreSQL's protocol as psql needs."""
    taken = _Server()

    class Handler(socketserver.StreamRequestHandler):
        """One psql."""

        def handle(self) -> None:
            """Answer all queries."""
            (length,) = struct.unpack("!I", self.rfile.read(4))
            self.rfile.read(length - 4)
            parameters = {
                b"server_version": b"15.0",
                b"client_encoding": b"UTF8",
                b"server_encoding": b"UTF8",
                b"standard_conforming_strings": b"on",
            }
            said = b"".join(_message(b"S", name + b"\0" + value + b"\0") for name, value in parameters.items())
            self.wfile.write(_message(b"R", struct.pack("!I", 0)) + said + _READY)
            while self.rfile.read(1) == b"Q":
                (length,) = struct.unpack("!I", self.rfile.read(4))
                taken.statements.append(self.rfile.read(length - 4)[:-1].decode())
                self.wfile.write(_message(b"C", b"DO\0") + _READY)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as listening:
        taken.port = listening.server_address[1]
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield taken
        finally:
            listening.shutdown()
            thread.join()


@st.composite
def _scripts(draw: st.DrawFn) -> str:
    """Draw a script in which each word is another one, and all quotes have an end."""
    fragments = draw(st.lists(st.sampled_from(_FRAGMENTS), max_size=25))
    separator = draw(st.sampled_from((" ", " ", "\n", "")))
    script = ""
    for fragment in fragments:
        # A word would become a part of the next one, or of what begins a quote.
        glued = not separator and re.search(r"\w\Z", script) and re.match(r"""[\w$'"]""", fragment)
        script += (" " if glued else separator) + fragment
    pieces = re.split("(word)", script)
    return "".join(f"w{place}" if piece == "word" else piece for place, piece in enumerate(pieces))


def _words(statements: list[str]) -> list[list[str]]:
    """Give the words of each statement, without statements that have none."""
    return [words for statement in statements if (words := _WORD.findall(statement))]


def _without_last_comment(sent: str) -> str:
    """Leave out what is no part of a statement: psql, from 15 on, sends the comments that follow it, too."""
    found = split_statements(sent)
    return sent if len(found) > 1 else "".join(statement.text for statement in found)


@settings(
    max_examples=4 * settings().max_examples, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(script=_scripts())
@example(script="create function w1() begin atomic select case when w2 then w3 end; select w4; end; select w5")
@example(script="create rule w1 as on insert to w2 do (select w3; select w4); select w5")
@example(script="(--w1")
@example(script="(--w1;\n")
@example(script="(/* w1 */")
@example(script="select (w1 --w2;\n); select w3 --w4")
@example(script="select w1 /* w2 */ ; select w3; -- w4")
@example(script="/* w1 */; select w2; /* w3 */")
@example(script="(w1;w2) --w3\n; do $$w4;$$ --w5\n; select w6 -- w7\n")
@example(script=" ) w1 ( ; w3")
@example(script="select w1 ')' ( ; w2) ; w3")
@example(script='select w1 "(" ) ( ; w2 ")" ; w3) ; w4')
@example(script="select w1; /* /* ; */ ; */ select w2 -- ;\n; select 'w3;' ; select $a$w4;$a$")
def test_a_script_is_split_as_psql_splits_it(server: _Server, script: str) -> None:
    """A file that people run with psql must mean the same here."""
    theirs = [_without_last_comment(sent) for sent in server.split(script)]
    assert _words(theirs) == _words([statement.text for statement in split_statements(script)])
