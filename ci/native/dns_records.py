"""Which name has which addresses: a pure function of the cluster's Services and EndpointSlices."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from native.watched_collection import ObjectKey, key_of

CLUSTER_DOMAIN = "cluster.local"
HEADLESS = "None"
SERVICE_LABEL = "kubernetes.io/service-name"


def ready_endpoints(endpoint_slice: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The endpoints that are ready; where nothing is said of it, they count as ready (the API's own rule).

    Those of a Service with `publishNotReadyAddresses` are always said to be ready.
    """
    endpoints = endpoint_slice.get("endpoints") or []
    return [one for one in endpoints if (one.get("conditions") or {}).get("ready") is not False]


def endpoints_by_service(slices: Iterable[Mapping[str, Any]]) -> dict[ObjectKey, list[Mapping[str, Any]]]:
    """The ready endpoints of each Service, from all of its slices."""
    found: dict[ObjectKey, list[Mapping[str, Any]]] = {}
    for one in slices:
        service = (one["metadata"].get("labels") or {}).get(SERVICE_LABEL)
        if service:
            namespace, _ = key_of(one)
            found.setdefault((namespace, service), []).extend(ready_endpoints(one))
    return found


def records(services: Iterable[Mapping[str, Any]], slices: Iterable[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Pairs of address and name, sorted: a Service's own addresses, or those of a headless Service's ready pods."""
    endpoints = endpoints_by_service(slices)
    found: set[tuple[str, str]] = set()
    for service in services:
        key = key_of(service)
        namespace, name = key
        domain = f"{name}.{namespace}.svc.{CLUSTER_DOMAIN}"
        address = service.get("spec", {}).get("clusterIP") or ""
        if address and address != HEADLESS:
            found.add((address, domain))
        elif address == HEADLESS:
            found.update(headless_records(endpoints.get(key, []), domain))
    return sorted(found)


def headless_records(endpoints: Iterable[Mapping[str, Any]], domain: str) -> Iterator[tuple[str, str]]:
    """The records of a headless Service: each pod under the Service's name, and under its own if it has one."""
    for endpoint in endpoints:
        for address in endpoint.get("addresses") or []:
            yield address, domain
            if endpoint.get("hostname"):
                yield address, f"{endpoint['hostname']}.{domain}"


def hosts_file(pairs: Iterable[tuple[str, str]]) -> str:
    """Write the records as dnsmasq reads them: one address and one name per line."""
    return "".join(f"{address} {name}\n" for address, name in pairs)
