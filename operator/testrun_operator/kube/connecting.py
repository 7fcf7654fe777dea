"""How the API server is found: by the pod's service account, or by a kubeconfig."""

from kubernetes.aio import client, config
from yaml import YAMLError

from testrun_operator.errors import ClusterUnavailable
from testrun_operator.kube.client import KubernetesClient


async def connect() -> KubernetesClient:
    """Connect with the pod's service account or, outside a cluster, with the kubeconfig.

    Raises:
        ClusterUnavailable: there is neither, or it cannot be read.
    """
    configuration = client.Configuration()
    try:
        try:
            config.load_incluster_config(client_configuration=configuration)
        except config.ConfigException:
            await config.load_kube_config(client_configuration=configuration)
    except (config.ConfigException, OSError, YAMLError, TypeError) as error:  # the last for an empty file
        raise ClusterUnavailable(f"no service account and no usable kubeconfig: {error}") from None
    configuration.connection_pool_maxsize = 0  # no limit: each watch holds a connection for itself
    return KubernetesClient(client.ApiClient(configuration))
