"""The commands of `ci/cluster`, the same for every kind of cluster."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from kind.kind_cluster import KindCluster
from native.choice import Choice, ClusterKind, current_choice
from native.existing import ExistingCluster
from native.instance import current_instance
from native.native_cluster import NativeCommands
from native.terminal import report_faults, say

DESCRIPTION = """\
Brings up a Kubernetes cluster for development and tests, whichever way works on this machine:
kind where a Docker engine answers, else a native node of Debian's packages (see ci/native/README.md)."""
EPILOG = """\
environment:
  CLUSTER           native, kind or existing (the current kubeconfig); chosen by itself when not set
  CLUSTER_INSTANCE  0 to 9: a second native cluster needs a network namespace of its own
  XDG_CACHE_HOME, XDG_STATE_HOME  where built binaries and images, and a cluster's state, are kept"""


class Cluster(Protocol):
    """What every kind of cluster can do."""

    def up(self, *, only_api: bool) -> None:
        """Bring the cluster up; does nothing to one that is well."""

    def build(self) -> None:
        """Build what the cluster is made of, as far as it is built here."""

    def down(self) -> None:
        """Take the cluster down; does nothing when there is none."""

    def status(self) -> bool:
        """Print how the cluster is; True when all is well."""

    def load_image(self, name: str, archive: Path | None) -> None:
        """Make an image available to pods."""

    def images(self) -> None:
        """Make the images available that pods may name without a registry."""

    def logs(self, component: str | None) -> None:
        """Print a component's log, or which components there are."""

    def kubeconfig(self) -> Path:
        """The path of the kubeconfig."""

    def kubectl(self) -> str:
        """The kubectl to use."""


def cluster_of(choice: Choice) -> Cluster:
    """The cluster that was chosen."""
    if choice.kind is ClusterKind.EXISTING:
        return ExistingCluster()
    if choice.kind is ClusterKind.KIND:
        return KindCluster()
    return NativeCommands(current_instance())


def parser() -> argparse.ArgumentParser:
    """All commands and their help."""
    main = argparse.ArgumentParser(
        prog="ci/cluster", description=DESCRIPTION, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = main.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, text: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")

    up = command("up", "bring the cluster up, or repair what is missing of it")
    up.add_argument("--only-api", action="store_true", help="API server and controllers, but no node (native only)")
    command("build", "build the programs that the cluster is made of, into the cache (native only)")
    command("down", "take the cluster down and leave nothing behind but caches")
    command("status", "say how the cluster is; exit code 1 when something is wrong")
    command("images", "make the images that pods may name without a registry, and load them (native only)")
    load = command("load-image", "make an image available to pods")
    load.add_argument("name", metavar="NAME", help="as pods name it, for example testrun-operator:dev")
    load.add_argument("archive", metavar="ARCHIVE", type=Path, nargs="?", help="an OCI archive (default: built images)")
    logs = command("logs", "print a component's log, or without a name which components there are")
    logs.add_argument("component", nargs="?", help="for example kubelet")
    command("kubeconfig", "print the path of the kubeconfig")
    command("kubectl-path", "print the path of the kubectl that belongs to the cluster")
    kubectl = command("kubectl", "run kubectl against the cluster")
    kubectl.add_argument("arguments", nargs=argparse.REMAINDER, metavar="…", help="kubectl's own arguments")
    command("kind-of", "print which kind of cluster is used here (native, kind or existing) and why")
    return main


def carry_out(arguments: argparse.Namespace, choice: Choice) -> int:
    """Do what one command says; the result is the exit code."""
    if arguments.command == "kind-of":
        print(f"{choice.kind} ({choice.reason})")
        return 0
    cluster = cluster_of(choice)
    if arguments.command in ("up", "down"):
        say(f"Cluster: {choice.kind} ({choice.reason})")
    match arguments.command:
        case "up":
            cluster.up(only_api=arguments.only_api)
        case "build":
            cluster.build()
        case "down":
            cluster.down()
        case "status":
            return 0 if cluster.status() else 1
        case "images":
            cluster.images()
        case "load-image":
            cluster.load_image(arguments.name, arguments.archive)
        case "logs":
            cluster.logs(arguments.component)
        case "kubeconfig":
            print(cluster.kubeconfig())
        case "kubectl-path":
            print(cluster.kubectl())
        case "kubectl":
            kubectl = cluster.kubectl()
            os.environ["KUBECONFIG"] = str(cluster.kubeconfig())
            # Not a child: kubectl gets the terminal, the signals and the exit code to itself.
            os.execvp(kubectl, [kubectl, *arguments.arguments])  # noqa: S606
    return 0


def main(words: Sequence[str] | None = None) -> int:
    """Run one command; a fault is told in words, without a traceback."""
    arguments = parser().parse_args(words)
    return report_faults(lambda: carry_out(arguments, current_choice()))
