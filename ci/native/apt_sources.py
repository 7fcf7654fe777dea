"""Debian's source packages without touching the system's apt configuration.

The machine's own `deb` entries say where Debian is; the same places serve the source packages. They are read in both
formats, turned into `deb-src` entries, and used with an apt configuration of our own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from native.terminal import Fault

DEBIAN_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
OPTION_BLOCK = re.compile(r"^\[(?P<options>[^\]]*)\]\s*(?P<rest>.*)$")


@dataclass(frozen=True)
class AptSource:
    """One place that serves packages: the parts of a `deb` entry that a `deb-src` entry needs as well."""

    uri: str
    suites: tuple[str, ...]
    components: tuple[str, ...]
    signed_by: str = ""


def parse_one_line(text: str) -> list[AptSource]:
    """Read the one-line format: `deb [option=value …] URI SUITE COMPONENT…`."""
    sources: list[AptSource] = []
    for raw_line in text.splitlines():
        line = raw_line.split("#", 1)[0].strip()
        kind, _, rest = line.partition(" ")
        if kind != "deb":
            continue
        rest = rest.strip()
        options: dict[str, str] = {}
        if match := OPTION_BLOCK.match(rest):
            options = dict(option.split("=", 1) for option in match["options"].split() if "=" in option)
            rest = match["rest"]
        uri, *suite_and_components = rest.split()
        if suite_and_components:
            suite, *components = suite_and_components
            sources.append(AptSource(uri, (suite,), tuple(components), options.get("signed-by", "")))
    return sources


def parse_deb822(text: str) -> list[AptSource]:
    """Read the deb822 format: paragraphs of `Field: value`, whose values go on in indented lines."""
    sources: list[AptSource] = []
    for paragraph in re.split(r"\n[ \t]*\n", text):
        fields = parse_fields(paragraph)
        if "deb" not in fields.get("types", "").split() or fields.get("enabled", "yes").lower() in ("no", "false"):
            continue
        suites = tuple(fields.get("suites", "").split())
        components = tuple(fields.get("components", "").split())
        signed_by = fields.get("signed-by", "")
        sources.extend(AptSource(uri, suites, components, signed_by) for uri in fields.get("uris", "").split())
    return sources


def parse_fields(paragraph: str) -> dict[str, str]:
    """Read one deb822 paragraph; field names are not case-sensitive, and comment lines may stand anywhere."""
    fields: dict[str, str] = {}
    name = ""
    for line in paragraph.splitlines():
        if line.startswith("#"):
            continue
        if line[:1] in (" ", "\t") and name:
            fields[name] += "\n" + line.strip()
        elif ":" in line:
            name, _, value = line.partition(":")
            name = name.strip().lower()
            fields[name] = value.strip()
    return fields


def configured_sources(apt_folder: Path = Path("/etc/apt")) -> list[AptSource]:
    """Read every active entry of the machine, the way apt itself finds its files."""
    sources: list[AptSource] = []
    for path in [apt_folder / "sources.list", *sorted((apt_folder / "sources.list.d").glob("*"))]:
        if not path.is_file():
            continue
        if path.suffix == ".sources":
            sources.extend(parse_deb822(path.read_text()))
        elif path.suffix == ".list":
            sources.extend(parse_one_line(path.read_text()))
    return sources


def debian_sources(sources: list[AptSource], codename: str) -> list[AptSource]:
    """Keep Debian's own entries for one release, without its `-updates` and `-security` suites.

    Mirrors differ from machine to machine, so Debian's entry is not known by a host name but by its suite and
    component and, where other vendors use the same two, by the key that signs it.
    """
    fitting = [
        AptSource(source.uri, (codename,), source.components, source.signed_by)
        for source in sources
        if codename in source.suites and "main" in source.components
    ]
    signed_by_debian = [source for source in fitting if "debian-archive" in source.signed_by]
    return signed_by_debian or fitting


def own_debian_sources() -> list[AptSource]:
    """The entries from which this machine's own Debian release comes: the same mirror has the other releases too."""
    codename = operating_system().get("VERSION_CODENAME", "")
    sources = debian_sources(configured_sources(), codename)
    if not sources:
        raise Fault(f"/etc/apt has no entry for Debian {codename} main, so there is nowhere to get packages from")
    return sources


def one_line(source: AptSource, *, suite: str) -> str:
    """An entry in the one-line format for another release of the same mirror, for mmdebstrap."""
    # A key that stands in the entry itself, not in a file, has no place in one line; Debian's own key ring has it too.
    keyring = source.signed_by if source.signed_by.startswith("/") else DEBIAN_KEYRING
    return f"deb [signed-by={keyring}] {source.uri} {suite} main"


def render_deb822(sources: list[AptSource], *, kind: str) -> str:
    """Write entries in the deb822 format, `kind` being `deb` or `deb-src`."""
    paragraphs = []
    for source in sources:
        lines = [
            f"Types: {kind}",
            f"URIs: {source.uri}",
            f"Suites: {' '.join(source.suites)}",
            f"Components: {' '.join(source.components)}",
        ]
        if source.signed_by:
            # A key can stand in the entry itself, over several lines, each of which goes on with a space.
            lines.append("Signed-By: " + source.signed_by.replace("\n", "\n "))
        paragraphs.append("\n".join(lines) + "\n")
    return "\n".join(paragraphs)


def private_apt_options(folder: Path) -> list[str]:
    """Options that make apt use the entries, lists and cache below `folder` and no others."""
    for part in ("sources", "lists/partial", "cache/archives/partial"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    settings = {
        "Dir::Etc::SourceList": "/dev/null",
        "Dir::Etc::SourceParts": folder / "sources",
        "Dir::State::Lists": folder / "lists",
        "Dir::Cache": folder / "cache",
        # The sandbox user _apt may not enter a folder below /root; apt would warn about it at length.
        "APT::Sandbox::User": "root",
    }
    return [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]


def operating_system() -> dict[str, str]:
    """Read /etc/os-release: `ID`, `VERSION_CODENAME` and so on."""
    try:
        text = Path("/etc/os-release").read_text()
    except OSError:
        return {}
    pairs = (line.split("=", 1) for line in text.splitlines() if "=" in line)
    return {name: value.strip().strip('"') for name, value in pairs}
