"""What operator, generated files and command line see of the kind ``container``."""

from collections.abc import Iterator

from testrun_operator.api.junit import split_pattern
from testrun_operator.api.reason import Reason
from testrun_operator.kinds.case_kind import CaseKind, OwnContainer, SuiteNames
from testrun_operator.kinds.container.spec import ContainerCase

_SYSTEM_FOLDERS = frozenset({"proc", "sys", "dev"})
"""A container runtime puts file systems of its own there, or refuses to mount anything in them."""


class ContainerKind(CaseKind[ContainerCase]):
    """An image and a command of the user's own, judged by the exit code."""

    name = "container"
    summary = "Any image and command; the exit code judges."
    spec = ContainerCase
    passed_reason = Reason.EXIT_CODE_ZERO

    def check(self, spec: ContainerCase, suite: SuiteNames, path: str) -> Iterator[str]:  # noqa: ARG002 - as the protocol has it
        """Yield what a pod with this container would be refused for, or would do without."""
        yield from _check_junit(spec, f"{path}.junit")
        yield from _check_volumes(spec, path)
        for index, variable in enumerate(spec.env):
            if (variable.value is None) == (variable.value_from is None):
                yield f"{path}.env[{index}]: give exactly one of value and valueFrom"
            source = variable.value_from
            if source is not None and (source.secret_key_ref is None) == (source.config_map_key_ref is None):
                yield f"{path}.env[{index}].valueFrom: give exactly one of secretKeyRef and configMapKeyRef"
            if variable.name.startswith("TESTRUN_"):
                yield f"{path}.env[{index}].name: names that begin with TESTRUN_ are set by the operator"
        for index, origin in enumerate(spec.env_from):
            if (origin.secret_ref is None) == (origin.config_map_ref is None):
                yield f"{path}.envFrom[{index}]: give exactly one of secretRef and configMapRef"

    def own_container(self, spec: ContainerCase) -> OwnContainer:
        """Return the container as the case has it."""
        return OwnContainer(spec, spec.junit)

    def subject(self, spec: ContainerCase) -> str:
        """Return the image."""
        return spec.image


def _check_volumes(spec: ContainerCase, path: str) -> Iterator[str]:
    volumes = {volume.name for volume in spec.volumes}
    for index, mount in enumerate(spec.volume_mounts):
        if mount.name not in volumes:
            yield f"{path}.volumeMounts[{index}].name: there is no volume {mount.name!r} in {path}.volumes"
        if ".." in (mount.sub_path or "").split("/"):
            yield f"{path}.volumeMounts[{index}].subPath: must not contain '..'"
    for index, volume in enumerate(spec.volumes):
        sources = (volume.empty_dir, volume.config_map, volume.secret, volume.persistent_volume_claim)
        if sum(source is not None for source in sources) != 1:
            yield (
                f"{path}.volumes[{index}]: give exactly one of emptyDir, configMap, secret and persistentVolumeClaim"
            )


def _check_junit(spec: ContainerCase, path: str) -> Iterator[str]:
    if spec.junit is None:
        return
    folder, _ = split_pattern(spec.junit)
    if folder.split("/")[1] in _SYSTEM_FOLDERS:
        yield f"{path}: nothing can be mounted at {folder!r}; choose a folder for the files alone, such as '/reports'"
    for index, mount in enumerate(spec.volume_mounts):
        other = mount.mount_path.rstrip("/")
        if f"{folder}/".startswith(f"{other}/") or f"{other}/".startswith(f"{folder}/"):
            yield (
                f"{path}: the folder {folder!r} is mounted for the files, and volumeMounts[{index}] mounts "
                f"{mount.mount_path!r}; choose a folder that is not in another mount, and has none in it"
            )


KIND = ContainerKind()
"""The kind, as the registry finds it."""
