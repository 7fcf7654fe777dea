"""Which name has which addresses: a pure function of the cluster's Services and Endpoints."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

CLUSTER_DOMAIN = "cluster.local"
HEADLESS = "None"

ObjectKey = tuple[str, str]
"""Namespace and name."""


def key_of(item: Mapping[str, Any]) -> ObjectKey:
    """Namespace and name of an object."""
    metadata = item["metadata"]
    return metadata["namespace"], metadata["name"]


def ready_addresses(endpoints: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The addresses that are ready (or are published although they are not: the API server counts those as ready)."""
    return [address for subset in endpoints.get("subsets") or [] for address in subset.get("addresses") or []]


def records(
    services: Iterable[Mapping[str, Any]], endpoints: Mapping[ObjectKey, Mapping[str, Any]]
) -> list[tuple[str, str]]:
    """Pairs of address and name, sorted: a Service's own address, or those of a headless Service's ready pods."""
    found: set[tuple[str, str]] = set()
    for service in services:
        namespace, name = key_of(service)
        domain = f"{name}.{namespace}.svc.{CLUSTER_DOMAIN}"
        address = service.get("spec", {}).get("clusterIP") or ""
        if address and address != HEADLESS:
            found.add((address, domain))
        elif address == HEADLESS:
            for pod in ready_addresses(endpoints.get((namespace, name), {})):
                found.add((pod["ip"], domain))
                if pod.get("hostname"):
                    found.add((pod["ip"], f"{pod['hostname']}.{domain}"))
    return sorted(found)


def hosts_file(pairs: Iterable[tuple[str, str]]) -> str:
    """Write the records as dnsmasq reads them: one address and one name per line."""
    return "".join(f"{address} {name}\n" for address, name in pairs)
