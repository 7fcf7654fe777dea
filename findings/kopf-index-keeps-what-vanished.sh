#!/usr/bin/env bash
# Versions:     kopf 1.45.2
# Expectation:  an index of kopf has what is in the cluster. When a watch is too old to go on (410) and kopf lists anew,
#               an object that is not in the new list is gone: it leaves the index, and handlers hear of a deletion.
# Observed:     kopf goes through the new list, and no further. What vanished between the two lists stays in the index
#               for ever, and no handler is called for it.
# Why it matters: 410 comes after an outage, when watches could not go on for minutes; that is when objects vanish
#               unseen. An operator that plans by its indices then works with objects that do not exist, and does not
#               begin what it would begin for a new object of the same name.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check kopf==1.45.2
cat > finding.py <<'PY'
import asyncio
import json

import kopf
from aiohttp import web

KINDS = [
    {"name": name, "singularName": kind.lower(), "kind": kind, "namespaced": True, "verbs": ["list", "watch", "patch"]}
    for name, kind in (("configmaps", "ConfigMap"), ("namespaces", "Namespace"))
]
DISCOVERY = {"/api": {"versions": ["v1"]}, "/apis": {"groups": []}, "/api/v1": {"resources": KINDS}}
lists = 0
told: list[str] = []
seen: dict[str, list[str]] = {}


def config_map(name: str) -> dict[str, object]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "team", "uid": name}}


async def answer(request: web.Request) -> web.StreamResponse:
    """Play an API server: two ConfigMaps in the first list, one in the second; the first watch is too old."""
    global lists
    if request.path in DISCOVERY:
        return web.json_response(DISCOVERY[request.path])
    if "watch" not in request.query:
        lists += 1
        items = [config_map("stays")] + ([config_map("vanishes")] if lists == 1 else [])
        return web.json_response({"metadata": {"resourceVersion": str(lists)}, "items": items})
    response = web.StreamResponse()
    await response.prepare(request)
    if request.query["resourceVersion"] == "1":
        await asyncio.sleep(1)
        gone = {"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired"}}
        await response.write(json.dumps(gone).encode() + b"\n")
    else:
        await asyncio.sleep(60)
    return response


async def main() -> None:
    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    registry, settings, stop = kopf.OperatorRegistry(), kopf.OperatorSettings(), asyncio.Event()
    settings.posting.enabled, settings.scanning.disabled = False, True

    @kopf.on.login(registry=registry)
    def login(**_: object) -> kopf.ConnectionInfo:
        return kopf.ConnectionInfo(server=url)

    @kopf.index("configmaps", id="names", registry=registry)
    def names(name: str, **_: object) -> dict[str, str]:
        return {"all": name}

    @kopf.on.event("configmaps", registry=registry)
    async def changed(type: str | None, name: str, names: kopf.Index[str, str], **_: object) -> None:
        told.append(f"{type} {name}")
        seen[f"list {lists}"] = sorted(names.get("all", ()))

    operator = kopf.operator(
        registry=registry, settings=settings, identity="finding", standalone=True, clusterwide=True, stop_flag=stop
    )
    task = asyncio.create_task(operator)
    await asyncio.sleep(6)
    stop.set()
    await asyncio.gather(task, return_exceptions=True)
    await runner.cleanup()


asyncio.run(main())
print("lists:", lists)
for when, index in sorted(seen.items()):
    print(f"index after {when}: {', '.join(index)}")
print("deletions told:", sum(event.startswith("DELETED") for event in told))
PY
venv/bin/pip list 2> /dev/null | grep '^kopf '
venv/bin/python finding.py 2> log | tee answer || cat log
diff answer - <<'EXPECTED'
lists: 2
index after list 1: stays, vanishes
index after list 2: stays, vanishes
deletions told: 0
EXPECTED
