"""The commands of `ci/noetl`: a real NoETL, of any of the releases that are tested with, in `ci/cluster`'s cluster."""

from __future__ import annotations

import argparse
import base64
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from native import choice, noetl_images, noetl_manifests
from native.command_line import cluster_of
from native.noetl_python import find_python
from native.noetl_release import RELEASES, Release
from native.terminal import Fault, report_faults, say, step

DESCRIPTION = """\
Runs a real NoETL in the cluster of ci/cluster, for tests of playbook cases: server, worker, PostgreSQL and, where the
release wants it, NATS. Everything is in a namespace of its own (noetl-4-26-0), and for tests only: the database is gone
with its pod."""
EPILOG = """\
examples:
  ci/noetl deploy 4.26.0 --secret-in my-tests     build, load, deploy, and put the DSN of its event log into a namespace
  ci/noetl deploy 1.8.0 2.5.5                     two at once
  ci/noetl logs 4.26.0 worker                     what the worker says
  ci/noetl delete 4.26.0"""
WAIT_SECONDS = 240
PYTHON_OF_LOCKS = "3.12"
REPOSITORY = Path(__file__).resolve().parent.parent.parent


def kubectl(*words: str, text: str | None = None, check: bool = True) -> str:
    """Run kubectl against the cluster and return what it prints."""
    cluster = cluster_of(choice.current_choice())
    done = subprocess.run(
        [cluster.kubectl(), *words],
        input=text,
        capture_output=True,
        text=True,
        env={**os.environ, "KUBECONFIG": str(cluster.kubeconfig())},
        check=False,
    )
    if check and done.returncode != 0:
        raise Fault(f"kubectl {' '.join(words[:4])}: {done.stderr.strip()}")
    return done.stdout if done.returncode == 0 else ""


def apply(objects: Sequence[dict[str, Any]]) -> None:
    """Create objects, or make them what they should be."""
    body = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})
    kubectl("apply", "--server-side", "--force-conflicts", "--field-manager=ci-noetl", "-f", "-", text=body)


def ensure_namespace(name: str) -> None:
    """Create a namespace unless it is there."""
    if not kubectl("get", "namespace", name, "--ignore-not-found", "-o", "name"):
        kubectl("create", "namespace", name)


def passwords_in(namespace: str) -> dict[str, str]:
    """The passwords of a NoETL that was deployed before; empty when there is none."""
    found = kubectl("-n", namespace, "get", "secret", noetl_manifests.PASSWORDS, "--ignore-not-found", "-o", "json")
    data = json.loads(found).get("data", {}) if found else {}
    return {name: base64.b64decode(value).decode() for name, value in data.items()}


def places_of(releases: Sequence[Release], namespace: str | None) -> dict[Release, str]:
    """The namespace of each release: its own, or the one that was named."""
    if namespace and len(releases) > 1:
        raise Fault("--namespace is for one release at a time")
    return {release: namespace or noetl_manifests.namespace_of(release) for release in releases}


def deploy(places: Mapping[Release, str], *, workers: int, secret_in: Sequence[str], secret_name: str) -> None:
    """Bring NoETLs up, all at once, and wait until they work."""
    noetl_images.build(tuple(places), load=True)
    for release, namespace in places.items():
        ensure_namespace(namespace)
        # The database keeps the passwords that it was made with.
        passwords = passwords_in(namespace) or noetl_manifests.new_passwords()
        apply(noetl_manifests.objects(release, namespace=namespace, passwords=passwords, workers=workers))
    for release, namespace in places.items():
        with step(f"NoETL {release.version} comes up in namespace {namespace}"):
            for component in components(release):
                wait_for(component, namespace)
    write_secrets(places, targets=secret_in, name=secret_name)
    for release, namespace in places.items():
        say(f"NoETL {release.version} is up: {noetl_manifests.server_url(namespace)} inside the cluster")
        say(f"    ci/noetl logs {release.version} worker    what the worker says")
        say(f"    kubectl port-forward -n {namespace} service/noetl {noetl_manifests.PORT}    to reach it from here")


def components(release: Release) -> list[str]:
    """The Deployments, in the order in which they become ready."""
    return [name for name in noetl_manifests.COMPONENTS if name != "nats" or release.needs_nats]


def wait_for(component: str, namespace: str) -> None:
    """Wait until a Deployment is as it should be; say why where it is not."""
    rollout = ("rollout", "status", f"deployment/{component}", f"--timeout={WAIT_SECONDS}s")
    try:
        kubectl("-n", namespace, *rollout)
    except Fault as fault:
        selector = f"--selector=app.kubernetes.io/component={component}"
        pods = kubectl("-n", namespace, "get", "pods", selector, check=False)
        logs = kubectl("-n", namespace, "logs", selector, "--all-containers", "--tail=20", check=False)
        raise Fault(f"{component} is not ready: {fault}\n{pods}{logs}") from fault


def write_secrets(places: Mapping[Release, str], *, targets: Sequence[str], name: str) -> None:
    """Write the Secret with the DSN of the event log into namespaces."""
    if targets and len(places) > 1:
        raise Fault("the Secrets of several releases would have one name: one release at a time")
    for namespace in places.values():
        passwords = passwords_in(namespace)
        if not passwords:
            raise Fault(f"there is no NoETL in namespace {namespace}: ci/noetl deploy")
        for target in targets:
            ensure_namespace(target)
            apply([noetl_manifests.events_secret(name, target=target, namespace=namespace, passwords=passwords)])
            say(f"Secret {name} in namespace {target}: key dsn")


def delete(namespaces: Sequence[str]) -> None:
    """Remove NoETLs with everything they have."""
    with step(f"deleting {', '.join(namespaces)}"):
        kubectl("delete", "namespace", *namespaces, "--ignore-not-found", "--timeout=120s")


def logs(namespace: str, component: str | None) -> None:
    """Print the log of one component, or the ends of all."""
    for name in [component] if component else noetl_manifests.COMPONENTS:
        tail = "-1" if component else "15"
        selector = f"--selector=app.kubernetes.io/component={name}"
        text = kubectl("-n", namespace, "logs", selector, "--all-containers", f"--tail={tail}", check=False)
        print(text if component else f"--- {name}\n{text}", end="")


def status() -> None:
    """Print what is deployed."""
    selector = "--selector=app.kubernetes.io/part-of=noetl"
    print(kubectl("get", "deployments", "--all-namespaces", selector) or "no NoETL is deployed")


def print_python() -> None:
    """Print the Python that NoETL can be installed for."""
    python = find_python()
    if python is None:
        raise Fault("NoETL needs Python 3.12 or later: none on PATH (python3.12, python3.13), none of pyenv")
    print(python)


def lock(release: Release) -> None:
    """Resolve what a release needs, as things were when it was published, and write its lock file.

    The package's own list is long; `requirements.in` has what server and worker import. So those are resolved, and the
    package itself is added without its list.
    """
    uv = shutil.which("uv", path=f"{REPOSITORY}/.venv/bin:{os.environ.get('PATH', '')}")
    if uv is None:
        raise Fault("uv is needed to write lock files: make venv")
    options = [
        *("--python-version", PYTHON_OF_LOCKS, "--python-platform", "linux", "--generate-hashes", "--no-header"),
        *("--no-emit-index-url", "--no-emit-find-links", "--no-annotate", "--quiet", "--only-binary", ":all:"),
        *("--exclude-newer", release.released),
    ]
    for package in release.packages_of_today:
        options += ["--exclude-newer-package", f"{package}={max(one.released for one in RELEASES.values())}"]
    texts = [
        "# Written by `ci/noetl lock`; do not edit. Install with `pip install --no-deps --require-hashes -r FILE`.\n"
    ]
    sources = ((release.folder / "requirements.in").read_text(), f"noetl=={release.version}\n")
    for text, more in zip(sources, ((), ("--no-deps",)), strict=True):
        done = subprocess.run(
            [uv, "pip", "compile", "-", *options, *more], input=text, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise Fault(f"no resolution for {release.version}: {done.stderr.strip()}")
        texts.append(done.stdout)
    release.requirements.write_text("".join(texts))
    say(f"{release.requirements.relative_to(REPOSITORY)}: {len(re.findall('^[a-z]', ''.join(texts), re.MULTILINE))}")


def parser() -> argparse.ArgumentParser:
    """All commands and their help."""
    main = argparse.ArgumentParser(
        prog="ci/noetl", description=DESCRIPTION, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = main.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, text: str, *, releases: int | str = "+", placed: bool = True) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        if releases:
            named = ", ".join(RELEASES) + (" (default: all)" if releases == "*" else "")
            made.add_argument("releases", nargs=releases, metavar="RELEASE", help=named)
        if placed:
            made.add_argument("--namespace", help="where it is (default: noetl-RELEASE, with dashes)")
        return made

    build = command("build", "make images and load them into the cluster", releases="*", placed=False)
    build.add_argument("--force", action="store_true", help="build even when nothing has changed")
    build.add_argument("--no-load", action="store_true", help="do not load the images into the cluster")
    up = command("deploy", "bring NoETLs up in the cluster, with their images, and wait until they work")
    up.add_argument("--workers", type=int, default=1, help="how many workers (default: %(default)s)")
    secret = command("secret", "write a Secret with the DSN of the event log, key dsn, for a role that may only read")
    for one, flag in ((up, "--secret-in"), (secret, "--in")):
        one.add_argument(
            flag,
            action="append",
            dest="secret_in",
            default=[],
            help="namespace to write the Secret into; may be repeated",
            metavar="NAMESPACE",
            required=one is secret,
        )
        one.add_argument("--name", default="noetl-events", help="the Secret's name (default: %(default)s)")
    command("delete", "remove NoETLs with their namespaces")
    log = command("logs", "print the log of a component, or the ends of all", releases=1)
    log.add_argument("component", nargs="?", choices=noetl_manifests.COMPONENTS)
    command("status", "print what is deployed", releases=0, placed=False)
    command("python", "print the Python that tests on this machine install NoETL for, if any", releases=0, placed=False)
    command("lock", "write the lock files of the images anew, with uv", releases="*", placed=False)
    return main


def named_releases(names: Sequence[str]) -> list[Release]:
    """The releases of these names, or all."""
    unknown = [name for name in names if name not in RELEASES]
    if unknown:
        raise Fault(f"no release {unknown[0]}; there are: {', '.join(RELEASES)}")
    return [RELEASES[name] for name in names or RELEASES]


def carry_out(arguments: argparse.Namespace) -> None:
    """Do what one command says."""
    if arguments.command == "status":
        status()
        return
    if arguments.command == "python":
        print_python()
        return
    releases = named_releases(arguments.releases)
    match arguments.command:
        case "build":
            noetl_images.build(releases, load=not arguments.no_load, force=arguments.force)
        case "lock":
            for release in releases:
                lock(release)
        case command:
            places = places_of(releases, arguments.namespace)
            if command == "deploy":
                deploy(places, workers=arguments.workers, secret_in=arguments.secret_in, secret_name=arguments.name)
            elif command == "secret":
                write_secrets(places, targets=arguments.secret_in, name=arguments.name)
            elif command == "delete":
                delete(tuple(places.values()))
            else:
                for place in places.values():
                    logs(place, arguments.component)


def main(words: Sequence[str] | None = None) -> int:
    """Run one command; a fault is told in words, without a traceback."""
    arguments = parser().parse_args(words)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    return report_faults(lambda: carry_out(arguments))
