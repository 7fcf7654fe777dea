"""iptables: one rule of our own, and the removal of exactly the chains that this cluster brought.

kube-proxy and the kubelet make many chains and never remove them. They are told from other people's by a record of
the chains that were there before the cluster first came up.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence

from native.instance import Instance
from native.processes import run

CHAIN_PREFIX_OF_KUBERNETES = "KUBE-"
CHAIN_OF_SERVICES = "KUBE-SERVICES"
BUILT_IN_CHAINS = {"PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"}
NFTABLES_FAMILY = {"iptables": "ip", "ip6tables": "ip6"}
FAMILIES = tuple(NFTABLES_FAMILY)


def parse_chains(saved: str) -> dict[str, list[str]]:
    """Read the output of `iptables-save`: the user-defined and built-in chains of each table."""
    chains: dict[str, list[str]] = {}
    table = ""
    for line in saved.splitlines():
        if line.startswith("*"):
            table = line[1:].strip()
            chains.setdefault(table, [])
        elif line.startswith(":") and table:
            chains[table].append(line[1:].split()[0])
    return chains


def rule_target(rule: str) -> str:
    """The chain or verdict that a rule of `iptables-save` jumps or goes to; empty when it has none."""
    words = rule.split()
    for option in ("-j", "-g"):
        if option in words[:-1]:
            return words[words.index(option) + 1]
    return ""


def removal_script(saved: str, *, is_ours: Callable[[str], bool]) -> str:
    """Write the input for `iptables-restore --noflush` that removes our chains and every rule that leads to them.

    Rules of other chains stay as they are, and so do chains that are not ours. Empty when nothing is to be removed.
    """
    lines: list[str] = []
    for table, chains in parse_chains(saved).items():
        ours = [chain for chain in chains if is_ours(chain)]
        if not ours:
            continue
        lines.append(f"*{table}")
        # Declaring a chain empties it; only then can all of them be deleted, since they refer to each other.
        lines.extend(f":{chain} - [0:0]" for chain in ours)
        for rule in rules_of_table(saved, table):
            chain = rule.split()[1]
            if chain not in ours and rule_target(rule) in ours:
                lines.append("-D" + rule.removeprefix("-A"))
        lines.extend(f"-X {chain}" for chain in ours)
        lines.append("COMMIT")
    return "\n".join(lines) + "\n" if lines else ""


def rules_of_table(saved: str, table: str) -> list[str]:
    """The rules (`-A CHAIN …`) of one table, in their order."""
    rules: list[str] = []
    current = ""
    for line in saved.splitlines():
        if line.startswith("*"):
            current = line[1:].strip()
        elif current == table and line.startswith("-A "):
            rules.append(line)
    return rules


def present_chains() -> list[str]:
    """Every chain of this network namespace as `FAMILY TABLE CHAIN`."""
    found: list[str] = []
    for family in FAMILIES:
        if shutil.which(f"{family}-save"):
            saved = run([f"{family}-save"], check=False).stdout
            found.extend(f"{family} {table} {chain}" for table, names in parse_chains(saved).items() for chain in names)
    return found


def foreign_service_chain(*, before: Sequence[str] | None) -> bool:
    """Whether another kube-proxy works in this network namespace; `before` is our record, None before a first `up`."""
    return f"iptables nat {CHAIN_OF_SERVICES}" in (present_chains() if before is None else before)


def ensure_masquerading(instance: Instance) -> None:
    """Let pods reach the outside with the machine's own address, as containers can elsewhere.

    One rule for all pods, instead of the CNI plugin's two per pod: starting a pod is then two iptables calls cheaper.
    """
    chain, pods = instance.firewall_chain, str(instance.pod_network)
    listed = run(["iptables", "-w", "-t", "nat", "-S", chain], check=False)
    if listed.returncode != 0:
        run(["iptables", "-w", "-t", "nat", "-N", chain])
    rules = (
        [chain, "-s", pods, "-d", pods, "-j", "RETURN"],
        # To the machine itself the pod's own address must stay visible: DNS and the API server answer to it.
        [chain, "-s", pods, "-m", "addrtype", "--dst-type", "LOCAL", "-j", "RETURN"],
        [chain, "-s", pods, "-d", str(instance.service_network), "-j", "RETURN"],
        [chain, "-s", pods, "-j", "MASQUERADE"],
        ["POSTROUTING", "-j", chain],
    )
    for rule in rules:
        if run(["iptables", "-w", "-t", "nat", "-C", *rule], check=False).returncode != 0:
            run(["iptables", "-w", "-t", "nat", "-A", *rule])


def remove_chains(instance: Instance, *, before: Sequence[str]) -> None:
    """Remove our own chain and Kubernetes' chains, but none that was there before the cluster."""
    for family in FAMILIES:
        if not shutil.which(f"{family}-save"):
            continue
        saved = run([f"{family}-save"], check=False).stdout
        names_before = {entry.split()[2] for entry in before if entry.split()[0] == family}

        def is_ours(chain: str, names_before: set[str] = names_before) -> bool:
            ours = chain == instance.firewall_chain or chain.startswith(CHAIN_PREFIX_OF_KUBERNETES)
            return ours and chain not in names_before

        script = removal_script(saved, is_ours=is_ours)
        if script:
            run([f"{family}-restore", "--wait", "--noflush"], stdin=script)
        remove_tables(family, made_since(run([f"{family}-save"], check=False).stdout, family=family, before=before))


def made_since(saved: str, *, family: str, before: Sequence[str]) -> list[str]:
    """Tables that were not there before and have neither rules nor chains of anybody's now.

    The nftables variant of iptables makes a table with all its built-in chains on the first use and never removes it.
    """
    tables_before = {entry.split()[1] for entry in before if entry.split()[0] == family}
    return [
        table
        for table, chains in parse_chains(saved).items()
        if table not in tables_before and set(chains) <= BUILT_IN_CHAINS and not rules_of_table(saved, table)
    ]


def remove_tables(family: str, tables: Sequence[str]) -> None:
    """Remove empty tables; the older variant has its tables in the kernel for good, and nft does not see them."""
    if "nf_tables" not in run([family, "--version"], check=False).stdout or not shutil.which("nft"):
        return
    for table in tables:
        run(["nft", "delete", "table", NFTABLES_FAMILY[family], table], check=False)
