#!/usr/bin/env bash
# Versions:     psycopg 3.3.9, PostgreSQL 15 (any release that initdb comes with), a database with the encoding LATIN1
# Expectation:  psycopg takes the encoding of the connection from the server and decodes and encodes by it, as it does
#               for text: what is in a column of type json comes out as it went in.
# Observed:     text does; json and jsonb are read, and written, as UTF-8 whatever the connection's encoding is. A
#               letter beyond ASCII in a json column raises UnicodeDecodeError when it is fetched. A Jsonb that was
#               dumped with ensure_ascii=False is stored as other letters (Ã© for é, two instead of one), without an
#               error. client_encoding=UTF8 in the address mends both: the server converts.
# Why it matters: who reads results as JSON from databases of others meets LATIN1 and WIN1252 long after all tests on
#               UTF-8 were green. Say client_encoding=UTF8 for every connection; do not rely on the server's default.
set -euo pipefail
folder=$(mktemp -d)
programs=$(dirname "$(find /usr/lib/postgresql -name initdb 2> /dev/null | sort -V | tail -n 1)")
[ -x "$programs/initdb" ] || programs=$(dirname "$(command -v initdb)")
user=()  # PostgreSQL refuses to be root
if [ "$(id -u)" = 0 ]; then user=(setpriv --reuid=nobody --regid=nogroup --clear-groups); chown nobody "$folder"; fi
clean_up() {
  cd /
  "${user[@]}" "$programs/pg_ctl" -D "$folder/data" -m immediate stop > /dev/null 2>&1 || true
  rm -rf "$folder"
}
trap clean_up EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check 'psycopg[binary]==3.3.9'
"${user[@]}" "$programs/initdb" -D "$folder/data" -U admin -A trust -E LATIN1 --locale=C > /dev/null
"${user[@]}" "$programs/pg_ctl" -D "$folder/data" -l "$folder/log" -w \
  -o "-c listen_addresses='' -c unix_socket_directories='$folder'" start > /dev/null
"$programs/postgres" --version
cat > finding.py <<'PY'
import json
import sys
from functools import partial
from importlib.metadata import version

import psycopg
from psycopg.types.json import Jsonb

print("psycopg", version("psycopg"))
readable = partial(json.dumps, ensure_ascii=False)
for encoding in ("", " client_encoding=UTF8"):
    with psycopg.connect(sys.argv[1] + encoding, autocommit=True) as connection:
        print("encoding of the connection:", connection.info.encoding)

        def ask(query: str, *arguments: object) -> str:
            try:
                return ascii(connection.execute(query, arguments).fetchone()[0])
            except UnicodeDecodeError as error:
                return type(error).__name__

        print("  text:", ask("SELECT %s::text", "é"))
        print("  json:", ask("SELECT json_build_object('a', %s::text)", "é"))
        print("  jsonb:", ask("SELECT jsonb_build_object('a', %s::text)", "é"))
        print("  letters that are stored for one:", ask("SELECT length(%s->>'a')", Jsonb({"a": "é"}, dumps=readable)))
PY
venv/bin/python finding.py "host=$folder user=admin dbname=postgres" | tee answer
diff answer - <<'EXPECTED'
psycopg 3.3.9
encoding of the connection: iso8859-1
  text: '\xe9'
  json: UnicodeDecodeError
  jsonb: UnicodeDecodeError
  letters that are stored for one: 2
encoding of the connection: utf-8
  text: '\xe9'
  json: {'a': '\xe9'}
  jsonb: {'a': '\xe9'}
  letters that are stored for one: 1
EXPECTED
