"""Keys and certificates, all from one authority, made with openssl."""

from __future__ import annotations

import base64
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from native.instance import Instance
from native.processes import run, write_atomically

VALID_DAYS = 3650


@dataclass(frozen=True)
class Identity:
    """A client or server that proves itself by a certificate."""

    name: str
    user: str
    group: str = ""
    alternative_names: tuple[str, ...] = ()

    @property
    def subject(self) -> str:
        """Kubernetes reads the user from the common name and the group from the organization."""
        return (f"/O={self.group}" if self.group else "") + f"/CN={self.user}"


def identities(instance: Instance) -> list[Identity]:
    """Everyone who takes part; Kubernetes' own default roles are bound to these users and groups."""
    service = "kubernetes.default.svc"
    return [
        Identity(
            name="apiserver",
            user="kube-apiserver",
            alternative_names=(
                "DNS:kubernetes",
                "DNS:kubernetes.default",
                f"DNS:{service}",
                f"DNS:{service}.cluster.local",
                "DNS:localhost",
                f"IP:{instance.api_service_address}",
                f"IP:{instance.node_address}",
                "IP:127.0.0.1",
            ),
        ),
        Identity(name="admin", user="kubernetes-admin", group="system:masters"),
        Identity(name="apiserver-kubelet-client", user="kube-apiserver-kubelet-client", group="system:masters"),
        Identity(name="controller-manager", user="system:kube-controller-manager"),
        Identity(name="scheduler", user="system:kube-scheduler"),
        Identity(name="kubelet", user=f"system:node:{instance.name}", group="system:nodes"),
        Identity(name="proxy", user="system:kube-proxy"),
    ]


def make_key(path: Path) -> None:
    """Elliptic curve keys: an RSA key would cost a tenth of a second each."""
    run(["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", path])
    path.chmod(0o600)


def make_authority(folder: Path) -> None:
    """Make the certificate authority."""
    make_key(folder / "ca.key")
    options = ["-new", "-x509", "-sha256", "-days", str(VALID_DAYS), "-subj", "/CN=testrun-operator-native"]
    extension = ["-addext", "keyUsage=critical,digitalSignature,keyEncipherment,keyCertSign"]
    run(["openssl", "req", *options, *extension, "-key", folder / "ca.key", "-out", folder / "ca.crt"])


def make_certificate(folder: Path, identity: Identity) -> None:
    """Make an identity's key and have the authority sign its certificate."""
    key, request, extensions = (folder / f"{identity.name}.{suffix}" for suffix in ("key", "request", "extensions"))
    make_key(key)
    run(["openssl", "req", "-new", "-sha256", "-subj", identity.subject, "-key", key, "-out", request])
    lines = ["basicConstraints=critical,CA:false", "extendedKeyUsage=serverAuth,clientAuth"]
    if identity.alternative_names:
        lines.append(f"subjectAltName={','.join(identity.alternative_names)}")
    extensions.write_text("\n".join(lines) + "\n")
    authority = ("-CA", folder / "ca.crt", "-CAkey", folder / "ca.key")
    files = ("-in", request, "-extfile", extensions, "-out", folder / f"{identity.name}.crt")
    run(["openssl", "x509", "-req", "-sha256", "-days", str(VALID_DAYS), *authority, *files])
    request.unlink()
    extensions.unlink()


def ensure_certificates(instance: Instance) -> None:
    """Make all keys and certificates, unless they are there; they come into their place in one step."""
    if instance.certificates.is_dir():
        return
    partial = instance.certificates.with_name("certificates.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True, mode=0o700)
    make_authority(partial)
    make_key(partial / "service-accounts.key")
    run(["openssl", "ec", "-in", partial / "service-accounts.key", "-pubout", "-out", partial / "service-accounts.pub"])
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda identity: make_certificate(partial, identity), identities(instance)))
    partial.rename(instance.certificates)


def kubeconfig_text(instance: Instance, *, user: str) -> str:
    """A kubeconfig (YAML without any need for a YAML library) that can be copied: it contains its certificates."""

    def encoded(name: str) -> str:
        return base64.b64encode((instance.certificates / name).read_bytes()).decode()

    return f"""apiVersion: v1
kind: Config
clusters:
- name: {instance.name}
  cluster:
    server: {instance.api_url}
    certificate-authority-data: {encoded("ca.crt")}
users:
- name: {user}
  user:
    client-certificate-data: {encoded(f"{user}.crt")}
    client-key-data: {encoded(f"{user}.key")}
contexts:
- name: {instance.name}
  context:
    cluster: {instance.name}
    user: {user}
current-context: {instance.name}
"""


def ensure_kubeconfigs(instance: Instance) -> None:
    """Write the kubeconfigs of the administrator and of the node's own processes."""
    write_atomically(instance.kubeconfig, kubeconfig_text(instance, user="admin"), mode=0o600)
    for user in ("controller-manager", "scheduler", "kubelet", "proxy"):
        text = kubeconfig_text(instance, user=user)
        write_atomically(instance.configuration / f"{user}.kubeconfig", text, mode=0o600)
