#!/usr/bin/env bash
# Versions:     lightkube 1.0.1
# Expectation:  a credential plugin of client.authentication.k8s.io/v1, which is stable since Kubernetes 1.22, works
#               with a client whose models are those of Kubernetes 1.37.
# Observed:     it is refused before the plugin is started; v1beta1 works, and so does v1alpha1, which kubectl dropped
#               in 1.24. No version of the plugin's API is taken by both kubectl of today and lightkube but v1beta1.
# Why it matters: a kubeconfig that kubectl takes is refused by a program that is written with lightkube.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check lightkube==1.0.1
cat > finding.py <<'PY'
import http.server
import json
import pathlib
import threading
from importlib.metadata import version

from lightkube import Client, KubeConfig
from lightkube.core.exceptions import ConfigError
from lightkube.resources.core_v1 import ConfigMap

API = "client.authentication.k8s.io"


class Server(http.server.BaseHTTPRequestHandler):
    """Has one ConfigMap, for those who show the plugin's token."""

    def do_GET(self) -> None:
        assert self.headers["Authorization"] == "Bearer from-the-plugin"
        answer = json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "trial"}}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


print("lightkube", version("lightkube"))
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
for release in ("v1alpha1", "v1beta1", "v1"):
    credential = {"apiVersion": f"{API}/{release}", "kind": "ExecCredential", "status": {"token": "from-the-plugin"}}
    plugin = pathlib.Path("plugin").absolute()
    plugin.write_text(f"#!/bin/sh\necho '{json.dumps(credential)}'\n")
    plugin.chmod(0o700)
    user = {"apiVersion": f"{API}/{release}", "command": str(plugin), "interactiveMode": "Never"}
    address = f"http://127.0.0.1:{server.server_port}"
    pathlib.Path("kubeconfig").write_text(json.dumps({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "trial",
        "clusters": [{"name": "trial", "cluster": {"server": address}}],
        "users": [{"name": "trial", "user": {"exec": user}}],
        "contexts": [{"name": "trial", "context": {"cluster": "trial", "user": "trial"}}],
    }))
    try:
        found = Client(config=KubeConfig.from_file("kubeconfig")).get(ConfigMap, "trial")
        print(f"{release}: has read the ConfigMap {found.metadata.name}")
    except ConfigError as error:
        print(f"{release}: {error}")
PY
venv/bin/python finding.py | tee answer
diff answer - <<'EXPECTED'
lightkube 1.0.1
v1alpha1: has read the ConfigMap trial
v1beta1: has read the ConfigMap trial
v1: auth exec api version client.authentication.k8s.io/v1 not implemented
EXPECTED
