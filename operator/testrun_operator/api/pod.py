"""Parts of pods, Secrets and ConfigMaps as a suite's fields name them, which is as Kubernetes does."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from testrun_operator.api.base import DnsLabel, Model, ObjectName, ShortText, Text

EnvironmentName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=253)]
Quantity = Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+)?(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?$", max_length=32)]
DataKey = Annotated[str, Field(pattern=r"^[-._a-zA-Z0-9]+$", min_length=1, max_length=253)]


class KeySelector(Model):
    """A key of a Secret or a ConfigMap in the run's namespace."""

    name: ObjectName = Field(description="Name of the object.")
    key: DataKey = Field(description="Key in its data.")


class SecretSource(Model):
    """A value that comes from a Secret; it never passes through the operator."""

    secret_key_ref: KeySelector = Field(description="The Secret's key that holds the value.")


class EnvironmentSource(Model):
    """Where an environment variable's value comes from: exactly one of the two."""

    cel_rules: ClassVar[tuple[tuple[str, str], ...]] = (
        (
            "has(self.secretKeyRef) != has(self.configMapKeyRef)",
            "give exactly one of secretKeyRef and configMapKeyRef",
        ),
    )

    secret_key_ref: KeySelector | None = Field(None, description="A Secret's key.")
    config_map_key_ref: KeySelector | None = Field(None, description="A ConfigMap's key.")


class EnvironmentVariable(Model):
    """One environment variable."""

    cel_rules: ClassVar[tuple[tuple[str, str], ...]] = (
        ("has(self.value) != has(self.valueFrom)", "give exactly one of value and valueFrom"),
    )

    name: EnvironmentName = Field(description="Name of the variable.")
    value: Text | None = Field(
        None, description="Its value. $(NAME) stands for another variable, for instance $(TESTRUN_VAR_page_size)."
    )
    value_from: EnvironmentSource | None = Field(None, description="Where its value comes from.")


class ObjectReference(Model):
    """A Secret or ConfigMap as a whole."""

    name: ObjectName = Field(description="Name of the object.")


class EnvironmentFrom(Model):
    """All keys of a Secret or a ConfigMap as environment variables: exactly one of the two."""

    cel_rules: ClassVar[tuple[tuple[str, str], ...]] = (
        ("has(self.secretRef) != has(self.configMapRef)", "give exactly one of secretRef and configMapRef"),
    )

    prefix: ShortText | None = Field(None, description="Put before each key.")
    secret_ref: ObjectReference | None = Field(None, description="A Secret.")
    config_map_ref: ObjectReference | None = Field(None, description="A ConfigMap.")


class Resources(Model):
    """Compute resources, as in a pod's container."""

    requests: Annotated[dict[ShortText, Quantity], Field(max_length=8)] = Field({}, description="What is set aside.")
    limits: Annotated[dict[ShortText, Quantity], Field(max_length=8)] = Field({}, description="The most it may use.")


class EmptyDirectory(Model):
    """An empty folder that lives as long as the pod."""

    size_limit: Quantity | None = Field(None, description="The most it may hold.")


class KeyToPath(Model):
    """A key of a Secret or ConfigMap as a file."""

    key: DataKey = Field(description="The key.")
    path: Text = Field(description="Relative path of the file; must not contain '..'.")


class ConfigMapVolume(Model):
    """A ConfigMap's keys as files."""

    name: ObjectName = Field(description="Name of the ConfigMap.")
    items: Annotated[tuple[KeyToPath, ...], Field(max_length=256)] = Field(
        (), description="Keys to mount. Default all."
    )


class SecretVolume(Model):
    """A Secret's keys as files."""

    secret_name: ObjectName = Field(description="Name of the Secret.")
    items: Annotated[tuple[KeyToPath, ...], Field(max_length=256)] = Field(
        (), description="Keys to mount. Default all."
    )


class ClaimVolume(Model):
    """A PersistentVolumeClaim of the run's namespace."""

    claim_name: ObjectName = Field(description="Name of the claim.")
    read_only: bool = Field(False, description="Mount it read-only. Default false.")


class Volume(Model):
    """A volume of the case's pod: exactly one source."""

    cel_rules: ClassVar[tuple[tuple[str, str], ...]] = (
        (
            (
                "[has(self.emptyDir), has(self.configMap), has(self.secret), has(self.persistentVolumeClaim)]"
                ".filter(given, given).size() == 1"
            ),
            "give exactly one of emptyDir, configMap, secret and persistentVolumeClaim",
        ),
    )

    name: DnsLabel = Field(description="Name that volumeMounts refer to.")
    empty_dir: EmptyDirectory | None = Field(None, description="An empty folder.")
    config_map: ConfigMapVolume | None = Field(None, description="A ConfigMap's keys as files.")
    secret: SecretVolume | None = Field(None, description="A Secret's keys as files.")
    persistent_volume_claim: ClaimVolume | None = Field(None, description="A PersistentVolumeClaim.")


class VolumeMount(Model):
    """Where a volume is seen in the container."""

    name: DnsLabel = Field(description="Name of one of the case's volumes.")
    mount_path: Annotated[str, Field(pattern=r"^/", max_length=1024)] = Field(description="Absolute path.")
    sub_path: ShortText | None = Field(None, description="Path in the volume to mount instead of its root.")
    read_only: bool = Field(False, description="Mount it read-only. Default false.")


class ImagePullPolicy(StrEnum):
    """When the kubelet pulls an image."""

    ALWAYS = "Always"
    IF_NOT_PRESENT = "IfNotPresent"
    NEVER = "Never"


class PodContainer(Model):
    """A container of the user's own, under the names of Kubernetes, with what its pod has to have for it."""

    image: Annotated[str, Field(min_length=1, max_length=1024)] = Field(description="Image to run.")
    command: Annotated[tuple[Text, ...], Field(max_length=64)] = Field(
        (), description="Replaces the image's entry point. $(NAME) stands for an environment variable."
    )
    args: Annotated[tuple[Text, ...], Field(max_length=64)] = Field(
        (), description="Arguments. $(NAME) stands for an environment variable."
    )
    working_dir: Text | None = Field(None, description="Working directory. Default: the image's.")
    env: Annotated[tuple[EnvironmentVariable, ...], Field(max_length=128)] = Field(
        (), description="Environment variables. TESTRUN_VAR_<name> has each variable of the run already."
    )
    env_from: Annotated[tuple[EnvironmentFrom, ...], Field(max_length=32)] = Field(
        (), description="Secrets and ConfigMaps whose keys become environment variables."
    )
    resources: Resources | None = Field(None, description="Compute resources.")
    volumes: Annotated[tuple[Volume, ...], Field(max_length=32)] = Field((), description="Volumes of the pod.")
    volume_mounts: Annotated[tuple[VolumeMount, ...], Field(max_length=32)] = Field(
        (), description="Where the volumes are seen in the container."
    )
    image_pull_policy: ImagePullPolicy | None = Field(None, description="When the image is pulled, as in a pod.")
    image_pull_secrets: Annotated[tuple[ObjectReference, ...], Field(max_length=8)] = Field(
        (), description="Secrets for the image's registry."
    )
    run_as_user: Annotated[int, Field(ge=1, le=4294967294)] | None = Field(
        None, description="User id to run as; needed where the image's own user is root or given by name."
    )
