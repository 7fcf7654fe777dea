"""Debian's source packages are found through the machine's own entries, in either format."""

from pathlib import Path

import pytest

from native.apt_sources import (
    AptSource,
    configured_sources,
    debian_sources,
    one_line,
    parse_deb822,
    parse_one_line,
    render_deb822,
)

MIRROR = "http://mirror.test/debian"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
DEB822 = f"""\
# The archive.
Types: deb
# A comment may stand between the fields.
URIs: {MIRROR}
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: {KEYRING}

Types: deb
URIs: {MIRROR}-security
Suites: bookworm-security
Components: main
"""


def test_reads_every_field_of_a_deb822_paragraph() -> None:
    """A paragraph gives one source per URI, with all its suites and components."""
    assert parse_deb822(DEB822)[0] == AptSource(MIRROR, ("bookworm", "bookworm-updates"), ("main", "contrib"), KEYRING)


def test_reads_every_paragraph_of_a_deb822_file() -> None:
    """Paragraphs are kept apart by empty lines."""
    assert [source.uri for source in parse_deb822(DEB822)] == [MIRROR, f"{MIRROR}-security"]


@pytest.mark.parametrize("field", ["Enabled: no", "Enabled: false", "Types: deb-src"])
def test_leaves_out_deb822_entries_that_serve_no_packages(field: str) -> None:
    """A disabled entry and one for sources only are not places to get packages from."""
    paragraph = f"URIs: {MIRROR}\nSuites: bookworm\nComponents: main\nTypes: deb\n{field}\n"
    assert parse_deb822(paragraph) == []


def test_reads_a_deb822_value_that_goes_on_in_indented_lines() -> None:
    """A key may stand in the entry itself, over several lines."""
    paragraph = (
        f"Types: deb\nURIs: {MIRROR}\nSuites: bookworm\nComponents: main\nSigned-By:\n -----BEGIN-----\n .\n abc\n"
    )
    assert parse_deb822(paragraph)[0].signed_by == "\n-----BEGIN-----\n.\nabc"


def test_reads_a_line_with_options() -> None:
    """The key ring of a one-line entry is among its options."""
    line = f"deb [arch=amd64 signed-by={KEYRING}] {MIRROR} bookworm main contrib # comment\n"
    assert parse_one_line(line) == [AptSource(MIRROR, ("bookworm",), ("main", "contrib"), KEYRING)]


@pytest.mark.parametrize(
    "line", ["", "# deb http://mirror.test/debian bookworm main", "deb-src http://x bookworm main"]
)
def test_leaves_out_lines_that_serve_no_packages(line: str) -> None:
    """Comments, empty lines and source entries are not places to get packages from."""
    assert parse_one_line(line) == []


def test_finds_the_files_that_apt_would_read(tmp_path: Path) -> None:
    """Only sources.list and files of the two suffixes count; a disabled copy with another suffix does not."""
    folder = tmp_path / "sources.list.d"
    folder.mkdir()
    (tmp_path / "sources.list").write_text(f"deb {MIRROR} bookworm main\n")
    (folder / "b.sources").write_text(DEB822)
    (folder / "a.list.disabled").write_text("deb http://other.test/x bookworm main\n")
    assert {source.uri for source in configured_sources(tmp_path)} == {MIRROR, f"{MIRROR}-security"}


def test_takes_only_the_release_itself() -> None:
    """A package that never changed after the release is in its main suite, not in updates or security."""
    assert debian_sources(parse_deb822(DEB822), "bookworm") == [
        AptSource(MIRROR, ("bookworm",), ("main", "contrib"), KEYRING)
    ]


def test_prefers_the_entry_that_debian_signs() -> None:
    """Other vendors name their suites after Debian's releases too."""
    vendor = AptSource("http://vendor.test", ("bookworm",), ("main",), "/usr/share/keyrings/vendor.gpg")
    debian = AptSource(MIRROR, ("bookworm",), ("main",), KEYRING)
    assert debian_sources([vendor, debian], "bookworm") == [debian]


def test_takes_an_entry_without_a_key_when_there_is_no_other() -> None:
    """Older machines trust Debian's keys without naming them in the entry."""
    unsigned = AptSource(MIRROR, ("bookworm",), ("main",))
    assert debian_sources([unsigned], "bookworm") == [unsigned]


def test_writes_what_it_reads() -> None:
    """A rendered entry is read back as the same entry."""
    source = AptSource(MIRROR, ("bookworm",), ("main", "contrib"), KEYRING)
    rendered = render_deb822([source], kind="deb-src")
    assert rendered.startswith("Types: deb-src\n")
    assert parse_deb822(rendered.replace("deb-src", "deb")) == [source]


@pytest.mark.parametrize("signed_by", ["", "\n-----BEGIN-----"])
def test_names_debians_own_key_ring_where_the_entry_names_no_file(signed_by: str) -> None:
    """A key inside the entry does not fit into one line."""
    assert one_line(AptSource(MIRROR, ("bookworm",), ("main",), signed_by), suite="trixie") == (
        f"deb [signed-by={KEYRING}] {MIRROR} trixie main"
    )
