"""A current server for custom resources beside the node's older one: it knows CEL rules, Kubernetes 1.20 does not.

It is the real implementation (apiextensions-apiserver), which Debian's unstable release packages as a Go library with
its main program. It serves CRDs and their resources and nothing else, so kubectl, which asks for all APIs first, is of
no use with it; the dynamic client and plain HTTPS are.
"""

from __future__ import annotations

import json
import platform
import shlex
import shutil
from pathlib import Path

from native import apt_sources, cache
from native.api_client import ApiClient
from native.instance import Instance
from native.packages import ensure_packages
from native.processes import Daemon, DaemonFolder, new_log, run_logged
from native.terminal import Fault, step

NAME = "crd-server"
PROGRAM = "apiextensions-apiserver"
SUITE = "sid"
BUILD_PACKAGES = ("golang-go", "golang-k8s-apiextensions-apiserver-dev", "ca-certificates")
SOURCE = "/usr/share/gocode/src/k8s.io/apiextensions-apiserver"
USUAL_ROOT_SECONDS = 60
USUAL_BUILD_SECONDS = 180
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
# They need resources that only a complete API server has.
DISABLED_ADMISSION = (
    "MutatingAdmissionPolicy",
    "MutatingAdmissionWebhook",
    "NamespaceLifecycle",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionWebhook",
)


def program_path() -> Path:
    """Where the built program is, or will be."""
    key = cache.recipe_key(SUITE, [platform.machine(), PROGRAM, SOURCE, *BUILD_PACKAGES])
    return cache.cache_home() / NAME / key / PROGRAM


def ensure_built(*, logs: Path) -> Path:
    """Return the program, building it first when the cache lacks it."""
    target = program_path()
    if target.exists():
        return target
    with (
        step("a current CRD server is built from Debian's packages: about 4 minutes, once per machine"),
        cache.new_entry(target.parent) as partial,
    ):
        if target.exists():
            return target
        log = new_log(logs / "crd-server-build.log")
        ensure_packages(("mmdebstrap",), log=log)
        work = partial.with_name(f"{partial.name}-work")
        work.mkdir()
        try:
            root = make_root(work / "root", log=log)
            compile_program(root, log=log)
            shutil.copy2(root / "build" / PROGRAM, partial / PROGRAM)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    return target


def make_root(root: Path, *, log: Path) -> Path:
    """Make a root file system of the unstable release with the compiler and the sources."""
    sources = apt_sources.own_debian_sources()
    line = apt_sources.one_line(sources[0], suite=SUITE)
    run_logged(
        [
            *("mmdebstrap", "--mode=root", "--variant=minbase", "--skip=output/mknod"),
            # The unstable release's signature is good for a week only, and a mirror may have stood still for longer.
            "--aptopt=Acquire::Check-Valid-Until false",
            *(f"--include={','.join(BUILD_PACKAGES)}", SUITE, str(root), line),
        ],
        title=f"mmdebstrap {SUITE}",
        log=log,
        usual_seconds=USUAL_ROOT_SECONDS,
        environment={"TMPDIR": str(root.parent)},
    )
    return root


def compile_program(root: Path, *, log: Path) -> None:
    """Build inside the root file system; its mounts are in a namespace of their own and go with the compiler."""
    (root / "build" / "temporary").mkdir(parents=True)
    quoted = shlex.quote(str(root))
    inside = (
        f"cd {SOURCE} && GO111MODULE=off GOPATH=/usr/share/gocode CGO_ENABLED=0 GOFLAGS= GOCACHE=/build/cache "
        f"GOTMPDIR=/build/temporary HOME=/build PATH=/usr/bin:/bin:/usr/sbin:/sbin go build -o /build/{PROGRAM} ."
    )
    script = (
        f"mount -t proc proc {quoted}/proc && mount --no-mtab --rbind /dev {quoted}/dev && "
        f"exec chroot {quoted} /bin/sh -c {shlex.quote(inside)}"
    )
    run_logged(
        ["unshare", "--mount", "--propagation=private", "--", "/bin/sh", "-c", script],
        title="compiling the CRD server",
        log=log,
        usual_seconds=USUAL_BUILD_SECONDS,
    )


def daemon(instance: Instance, program: Path) -> Daemon:
    """The process: on 127.0.0.1, with the node's etcd (below a prefix of its own) and the node's certificates."""
    folder = instance.certificates
    kubeconfig = instance.kubeconfig
    return Daemon(
        name=NAME,
        arguments=(
            str(program),
            f"--etcd-servers=http://127.0.0.1:{instance.etcd_client_port}",
            "--etcd-prefix=/crd",
            f"--kubeconfig={kubeconfig}",
            f"--authentication-kubeconfig={kubeconfig}",
            f"--authorization-kubeconfig={kubeconfig}",
            "--authentication-skip-lookup=true",
            f"--client-ca-file={folder / 'ca.crt'}",
            f"--tls-cert-file={folder / 'apiserver.crt'}",
            f"--tls-private-key-file={folder / 'apiserver.key'}",
            "--enable-priority-and-fairness=false",
            f"--disable-admission-plugins={','.join(DISABLED_ADMISSION)}",
            "--bind-address=127.0.0.1",
            f"--secure-port={instance.crd_server_port}",
        ),
    )


def url(instance: Instance) -> str:
    """Where it answers."""
    return f"https://127.0.0.1:{instance.crd_server_port}"


def answers(instance: Instance) -> bool:
    """Whether CRDs can be listed."""
    folder = instance.certificates
    client = ApiClient(
        url=url(instance), authority=folder / "ca.crt", certificate=folder / "admin.crt", key=folder / "admin.key"
    )
    return client.answers(CRDS)


def up(instance: Instance, program: Path, *, daemons: DaemonFolder) -> None:
    """Start the server, unless it runs."""
    if not certificates_are_there(instance) or daemons.process_id("etcd") is None:
        raise Fault("the CRD server needs the cluster's etcd and API server: run ci/cluster up first")
    daemons.ensure(daemon(instance, program))
    daemons.wait_until(lambda: answers(instance), name=NAME, timeout_seconds=60)


def certificates_are_there(instance: Instance) -> bool:
    """Whether the cluster was brought up in this state folder."""
    return all((instance.certificates / f"{name}.crt").exists() for name in ("ca", "admin", "apiserver"))


def environment(instance: Instance) -> str:
    """The address and the paths of the credentials, as JSON."""
    folder = instance.certificates
    values = {
        "url": url(instance),
        "certificateAuthority": str(folder / "ca.crt"),
        "clientCertificate": str(folder / "admin.crt"),
        "clientKey": str(folder / "admin.key"),
    }
    return json.dumps(values, indent=2)
