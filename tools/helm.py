#!/usr/bin/env python3
"""Helm, with or without Helm: `python tools/helm.py COMMAND …`.

Where a `helm` binary is on PATH it is run, with the same arguments. Elsewhere the same commands are done by Helm as a
library (helm-python-sdk, one of the packages for development), so that a machine without the binary can install and
test the chart. Only what this project needs is here: lint, template, install, upgrade, rollback, uninstall, test and
package.
"""

# ruff: noqa: T201 - a script; its output is its purpose

import argparse
import json
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

Release = Mapping[str, Any]

_INSTALL_ORDER = (
    *(
        "Namespace",
        "NetworkPolicy",
        "PodDisruptionBudget",
        "ServiceAccount",
        "Secret",
        "ConfigMap",
        "CustomResourceDefinition",
    ),
    *("ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding", "Service", "Pod", "Deployment", "StatefulSet", "Job"),
)
"""The order in which Helm sends objects to the cluster, as far as the chart has them."""
_SEVERITIES = {1: "INFO", 2: "WARNING", 3: "ERROR"}
_ERROR_SEVERITY = 3


class Failure(Exception):
    """Something is wrong that the user can mend; its text is for them."""


def main(words: Sequence[str] | None = None) -> int:
    """Do what the arguments say, by the binary or by the library.

    Args:
        words: the arguments; the process's own by default.
    """
    words = list(sys.argv[1:] if words is None else words)
    arguments = parser().parse_args(words)
    if has_binary():
        os.execvp("helm", ["helm", *words])  # noqa: S606, S607 - the very program that is asked for, without a shell
    # The library is imported here and not above: it is 80 MB, and not needed where there is the binary.
    try:
        import helm_python  # noqa: PLC0415 - see above
    except ImportError:
        print("Error: neither `helm` is on PATH nor Python's helm-python-sdk is installed", file=sys.stderr)
        return 1
    try:
        return int(arguments.action(arguments) or 0)
    except Failure as error:
        print(f"Error: {error}", file=sys.stderr)
    except helm_python.HelmError as error:
        problem = "these values are refused by the chart" if isinstance(error, helm_python.HelmValuesError) else ""
        print(f"Error: {arguments.command}: {problem or 'failed'}: {error.detail}", file=sys.stderr)
    return 1


def has_binary() -> bool:
    """Whether the binary is to be used; the environment variable TESTRUN_HELM_LIBRARY says no."""
    return bool(shutil.which("helm")) and not os.environ.get("TESTRUN_HELM_LIBRARY")


def parser() -> argparse.ArgumentParser:
    """Build the parser of the command line; names and meanings are those of the binary."""
    main_parser = argparse.ArgumentParser(
        prog="tools/helm.py", description="The part of Helm that this project uses, by the binary or by the library."
    )
    commands = main_parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    lint = _add(commands, "lint", do_lint, "look for mistakes in a chart")
    lint.add_argument("chart")
    lint.add_argument("--strict", action="store_true", help="fail on warnings too")
    lint.add_argument("--kube-version", help="Kubernetes version to assume")
    _add_values(lint)

    template = _add(commands, "template", do_template, "render a chart without a cluster")
    _add_release_and_chart(template)
    template.add_argument("--kube-version", help="Kubernetes version to assume")
    template.add_argument("--api-versions", "-a", action="append", default=[], help="further API versions to assume")
    template.add_argument("--show-only", "-s", action="append", default=[], metavar="TEMPLATE", help="only these files")
    template.add_argument("--skip-tests", action="store_true", help="leave out what `helm test` needs")

    install = _add(commands, "install", do_install, "install a chart")
    upgrade = _add(commands, "upgrade", do_upgrade, "upgrade a release")
    upgrade.add_argument("--install", "-i", action="store_true", help="install it if there is none")
    upgrade.add_argument("--reuse-values", action="store_true", help="start from all values of the release")
    upgrade.add_argument(
        "--reset-then-reuse-values", action="store_true", help="start from the new defaults and what was set before"
    )
    for command in (install, upgrade):
        _add_release_and_chart(command)
        command.add_argument("--create-namespace", action="store_true", help="create the namespace if there is none")
        _add_waiting(command)
        _add_cluster(command)

    uninstall = _add(commands, "uninstall", do_uninstall, "uninstall a release")
    uninstall.add_argument("release")
    uninstall.add_argument("--ignore-not-found", action="store_true", help="succeed if there is none")
    _add_namespace(uninstall)
    _add_waiting(uninstall)
    _add_cluster(uninstall)

    rollback = _add(commands, "rollback", do_rollback, "bring a release back to an earlier revision")
    rollback.add_argument("release")
    rollback.add_argument("revision", nargs="?", type=int, help="number of the revision (default: the one before)")
    _add_namespace(rollback)
    _add_waiting(rollback)
    _add_cluster(rollback)

    test = _add(commands, "test", do_test, "run a release's tests")
    test.add_argument("release")
    test.add_argument("--logs", action="store_true", help="show the logs of the test pods")
    test.add_argument("--timeout", default="5m", help="longest time (default: %(default)s)")
    _add_namespace(test)
    _add_cluster(test)

    package = _add(commands, "package", do_package, "make a chart archive")
    package.add_argument("chart")
    package.add_argument("--destination", "-d", default=".", help="folder to write to (default: this one)")
    package.add_argument("--version", help="version to give it")
    package.add_argument("--app-version", help="appVersion to give it")
    return main_parser


def _add(commands: Any, name: str, action: Callable[..., int | None], text: str) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text.capitalize() + ".")
    command.set_defaults(action=action)
    return command


def _add_release_and_chart(command: argparse.ArgumentParser) -> None:
    command.add_argument("release", help="name of the release")
    command.add_argument("chart", help="folder or archive of the chart")
    _add_values(command)


def _add_values(command: argparse.ArgumentParser) -> None:
    command.add_argument("--values", "-f", action="append", default=[], metavar="FILE", help="file with values")
    command.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a value")
    command.add_argument("--set-string", action="append", default=[], metavar="NAME=VALUE", help="a value, always text")
    command.add_argument("--set-json", action="append", default=[], metavar="NAME=JSON", help="a value as JSON")
    if command.prog.rpartition(" ")[2] != "lint":
        _add_namespace(command)


def _add_namespace(command: argparse.ArgumentParser) -> None:
    command.add_argument("--namespace", "-n", default="default", help="the release's namespace (default: default)")


def _add_waiting(command: argparse.ArgumentParser) -> None:
    command.add_argument("--wait", action="store_true", help="wait until everything is ready, or gone")
    command.add_argument("--timeout", default="5m", help="longest time to wait (default: %(default)s)")


def _add_cluster(command: argparse.ArgumentParser) -> None:
    command.add_argument("--kubeconfig", help="kubeconfig file (default: $KUBECONFIG, then the user's)")
    command.add_argument("--kube-context", help="context in it")


def do_lint(arguments: argparse.Namespace) -> int:
    """Look for mistakes; 1 if there are any."""
    import helm_python  # noqa: PLC0415 - see main

    report = helm_python.lint(
        arguments.chart, read_values(arguments), strict=arguments.strict, kube_version=arguments.kube_version
    )
    print(f"==> Linting {arguments.chart}")
    for message in report["messages"]:
        print(f"[{_SEVERITIES.get(message['severity'], 'UNKNOWN')}] {message['path']}: {message['error']}")
    for error in report["errors"]:
        print(f"[ERROR] {error}")
    worst = max((message["severity"] for message in report["messages"]), default=0)
    failed = bool(report["errors"]) or worst >= (_ERROR_SEVERITY - 1 if arguments.strict else _ERROR_SEVERITY)
    print(f"\n1 chart linted, {int(failed)} failed")
    return int(failed)


def do_template(arguments: argparse.Namespace) -> None:
    """Print the manifests, in the order in which they would be sent to the cluster."""
    rendered = render(
        Path(arguments.chart),
        arguments.release,
        arguments.namespace,
        read_values(arguments),
        kube_version=arguments.kube_version,
        api_versions=arguments.api_versions,
    )
    unknown = [name for name in arguments.show_only if not any(path.endswith(f"/{name}") for path in rendered)]
    if unknown:
        raise Failure(f"could not find template {unknown[0]} in chart")
    for path, text in ordered(rendered):
        shown = not arguments.show_only or any(path.endswith(f"/{name}") for name in arguments.show_only)
        if shown and not (arguments.skip_tests and "helm.sh/hook: test" in text):
            print(f"---\n# Source: {path}\n{text}")


def render(
    chart: Path,
    release: str,
    namespace: str,
    values: dict[str, Any],
    *,
    kube_version: str | None = None,
    api_versions: Sequence[str] = (),
) -> dict[str, str]:
    """Render a chart by the library, without a cluster: the text of each template.

    Raises:
        helm_python.HelmError: a value is refused or a template fails.
    """
    import helm_python  # noqa: PLC0415 - see main
    from helm_python import _native  # noqa: PLC0415 - see main

    options: dict[str, Any] = {"name": release, "namespace": namespace, "is_install": True, "strict": False}
    options |= {"kube_version": kube_version} if kube_version else {}
    options |= {"api_versions": list(api_versions)} if api_versions else {}
    with helm_python.Chart.load(chart) as loaded:
        loaded.validate_schema(values)
        # Chart.render() has no argument for the version, which the function below it understands.
        handle = loaded._raw()  # noqa: SLF001 - see above
        answer = _native.call_string("helm_render", handle, json.dumps(values), json.dumps(options))
    texts: dict[str, str] = json.loads(answer)
    return texts


def ordered(rendered: Mapping[str, str]) -> list[tuple[str, str]]:
    """Split rendered templates into objects and sort them as Helm installs them; the notes are left out."""
    found = [
        (path, part.strip("\n"))
        for path, text in sorted(rendered.items())
        if not path.endswith("NOTES.txt")
        for part in re.split(r"(?m)^---\s*$", text)
    ]
    with_kinds = [
        (kind[1], path, part) for path, part in found if (kind := re.search(r"(?m)^kind: (\w+)", part)) is not None
    ]

    def rank(entry: tuple[str, str, str]) -> int:
        return _INSTALL_ORDER.index(entry[0]) if entry[0] in _INSTALL_ORDER else len(_INSTALL_ORDER)

    return [(path, part) for _, path, part in sorted(with_kinds, key=rank)]


def do_install(arguments: argparse.Namespace) -> None:
    """Install a chart and show its notes."""
    with _cluster(arguments) as cluster:
        _install(cluster, arguments)


def _install(cluster: Any, arguments: argparse.Namespace) -> None:
    release = cluster.install(
        arguments.chart,
        arguments.release,
        read_values(arguments),
        namespace=arguments.namespace,
        create_namespace=arguments.create_namespace,
        **_waiting(arguments),
    )
    _show(release)


def do_upgrade(arguments: argparse.Namespace) -> None:
    """Upgrade a release, or install it, and show its notes."""
    import helm_python  # noqa: PLC0415 - see main

    with _cluster(arguments) as cluster:
        if arguments.install:
            try:
                cluster.history(arguments.release)
            except helm_python.HelmNotFoundError:
                _install(cluster, arguments)
                return
        values = read_values(arguments)
        if arguments.reset_then_reuse_values:
            # The library has no such option; what was set before is what it calls the release's values.
            values = merge(cluster.get_values(arguments.release) or {}, values)
        release = cluster.upgrade(
            arguments.chart,
            arguments.release,
            values,
            namespace=arguments.namespace,
            reuse_values=arguments.reuse_values,
            **_waiting(arguments),
        )
    _show(release)


def do_uninstall(arguments: argparse.Namespace) -> None:
    """Uninstall a release and say what was kept."""
    with _cluster(arguments) as cluster:
        answer = cluster.uninstall(
            arguments.release, ignore_not_found=arguments.ignore_not_found, **_waiting(arguments)
        )
    info = str(answer.get("info") or "").strip()
    if info:
        print(info)
    print(f'release "{arguments.release}" uninstalled')


def do_rollback(arguments: argparse.Namespace) -> None:
    """Bring a release back to what it was at an earlier revision, as a new one."""
    with _cluster(arguments) as cluster:
        cluster.rollback(arguments.release, version=arguments.revision, **_waiting(arguments))
    print("Rollback was a success! Happy Helming!")


def do_test(arguments: argparse.Namespace) -> None:
    """Run a release's tests; the logs of a test that failed are always shown."""
    import helm_python  # noqa: PLC0415 - see main

    with _cluster(arguments) as cluster:
        try:
            answer = cluster.test(arguments.release, timeout=seconds(arguments.timeout), logs=arguments.logs)
        except helm_python.HelmReleaseError:
            for name, log in _test_logs(cluster, arguments):
                print(f"POD LOGS: {name}\n{log}")
            raise
    if arguments.logs:
        # The library gives all logs once for each hook.
        parts = re.split(r"(?m)^(?=POD LOGS: )", str(answer.get("logs", "")))
        print("\n".join(dict.fromkeys(part.strip() for part in parts if part.strip())))
    print(f'release "{arguments.release}": the tests passed')


def _test_logs(cluster: Any, arguments: argparse.Namespace) -> Iterator[tuple[str, str]]:
    from kubernetes import client, config  # noqa: PLC0415 - needed for failures alone
    from kubernetes.client.exceptions import ApiException  # noqa: PLC0415 - the same

    untyped: Any = config
    untyped.load_kube_config(config_file=arguments.kubeconfig, context=arguments.kube_context)
    for hook in cluster.get_all(arguments.release).get("hooks", ()):
        manifest = yaml.safe_load(hook.get("manifest") or "") or {}
        if manifest.get("kind") == "Pod":
            name = manifest["metadata"]["name"]
            try:
                yield name, client.CoreV1Api().read_namespaced_pod_log(name, arguments.namespace)
            except ApiException as error:
                yield name, f"(no log: {error.reason})"


def do_package(arguments: argparse.Namespace) -> None:
    """Make a chart archive and print its path."""
    import helm_python  # noqa: PLC0415 - see main

    archive = helm_python.package(
        arguments.chart,
        destination=arguments.destination,
        version=arguments.version,
        app_version=arguments.app_version,
    )
    print(f"Successfully packaged chart and saved it to: {archive}")


def read_values(arguments: argparse.Namespace) -> dict[str, Any]:
    """Merge what `--values` and the three kinds of `--set` say; the later wins.

    Raises:
        Failure: a file cannot be read.
    """
    import helm_python  # noqa: PLC0415 - see main

    values: dict[str, Any] = {}
    for name in arguments.values:
        try:
            text = sys.stdin.read() if name == "-" else Path(name).read_text("utf-8")
        except OSError as error:
            raise Failure(f"the file with values {name} cannot be read: {error.strerror}") from None
        values = merge(values, helm_python.values_from_yaml(text))
    for expressions, parse in (
        (arguments.set_json, helm_python.parse_set_json),
        (arguments.set, helm_python.parse_set_string),
        (arguments.set_string, helm_python.parse_set_string_values),
    ):
        for expression in expressions:
            values = merge(values, parse(expression))
    return values


def merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Merge values: maps key by key, everything else is replaced."""
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        merged[key] = merge(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return merged


def seconds(duration: str) -> int:
    """Read a duration as Go writes it: `90s`, `5m`, `1h30m`.

    Raises:
        Failure: it is none.
    """
    match = re.fullmatch(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?", duration)
    if not match or not duration:
        raise Failure(f"--timeout {duration!r} is no duration such as 90s or 5m")
    hours, minutes, rest = (int(part or 0) for part in match.groups())
    return hours * 3600 + minutes * 60 + rest


def _cluster(arguments: argparse.Namespace) -> Any:
    import helm_python  # noqa: PLC0415 - see main

    return helm_python.Config(
        kubeconfig_path=arguments.kubeconfig, kube_context=arguments.kube_context, namespace=arguments.namespace
    )


def _waiting(arguments: argparse.Namespace) -> dict[str, Any]:
    return {"wait": "watcher" if arguments.wait else None, "timeout": seconds(arguments.timeout)}


def _show(release: Release) -> None:
    for title, key in (("NAME", "name"), ("NAMESPACE", "namespace"), ("STATUS", "status"), ("REVISION", "revision")):
        print(f"{title}: {release.get(key)}")
    notes = str(release.get("notes") or "").strip("\n")
    if notes:
        print(f"NOTES:\n{notes}")


def be_named_helm() -> None:
    """Start this process anew under the name `helm`, unless it has it already.

    The API server notes who owns a field by the program's name, and refuses changes by anybody else. The library takes
    the name from the process: without this, what `python` installed could not be upgraded by `python3` or the binary.
    """
    if Path(sys.orig_argv[0]).name != "helm":
        os.execv(sys.executable, [str(Path(sys.executable).with_name("helm")), *sys.orig_argv[1:]])  # noqa: S606 - itself


if __name__ == "__main__":
    if not has_binary():
        be_named_helm()
    sys.exit(main())
