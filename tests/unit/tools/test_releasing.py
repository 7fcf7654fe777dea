"""A release: what stands in its way, and the files that it is made of. Building the image is played here."""

import gzip
import io
import json
import os
import subprocess
import tarfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import release as script
from releasing import archives, changelog, contents, facts, parts, sbom

from native.oci_archive import ImageSettings, LayerFile, layer, write_archive

ROOT = Path(__file__).resolve().parents[3]
REPOSITORY = "registry.example.com/team/testrun-operator"
CHANGES = """\
# Changelog

## [Unreleased]

### Added

- More.

## [0.2.0] - 2026-12-31

The second.

### Added

- This.

## [0.1.0] - unreleased

The first.
"""
SECTION = changelog.Section("0.2.0", "2026-12-31", "The second.")
GOOD = facts.Facts("0.2.0", "0.2.0", "0.2.0", SECTION, (), ("v0.2.0",), "4f2c1d", 1_800_000_000)


def test_the_notes_are_the_section_of_the_version() -> None:
    """From its heading to the next one, whatever is in it."""
    section = changelog.find_section(CHANGES, "0.2.0")
    assert section == changelog.Section("0.2.0", "2026-12-31", "The second.\n\n### Added\n\n- This.")
    assert changelog.find_section(CHANGES, "0.3.0") is None
    assert changelog.released_versions(CHANGES) == {"0.2.0"}


def test_the_projects_own_changelog_can_be_read() -> None:
    """The one that the next release is made from."""
    sections = changelog.read_sections((ROOT / "CHANGELOG.md").read_text())
    assert sections[0].version == "Unreleased"
    assert all(section.text for section in sections[1:])


def test_nothing_stands_in_the_way_of_a_release_where_all_agree() -> None:
    """Also without a tag: it may be set once the files are seen to be right."""
    assert [] == list(facts.find_problems("0.2.0", REPOSITORY, GOOD))
    assert [] == list(facts.find_problems("0.2.0", "localhost:5000/testrun-operator", replace(GOOD, tags=("nightly",))))


@pytest.mark.parametrize(
    ("version", "repository", "changed", "problem"),
    [
        ("0.2", REPOSITORY, {}, "the version '0.2' is not of the form 1.2.3"),
        (
            "0.2.0",
            "",
            {},
            "IMAGE_REPOSITORY is not set: manifests and chart must name an image that a cluster can pull",
        ),
        ("0.2.0", "testrun-operator", {}, "IMAGE_REPOSITORY=testrun-operator is no image's name with a registry"),
        ("0.2.0", "ghcr.io/Team/testrun-operator", {}, "in lower case"),
        ("0.2.0", f"{REPOSITORY}:0.2.0", {}, "without a tag"),
        ("0.2.0", REPOSITORY, {"project_version": "0.1.0"}, "the version in pyproject.toml is 0.1.0, not 0.2.0"),
        ("0.2.0", REPOSITORY, {"chart_version": "0.1.0"}, "the version in charts/testrun-operator/Chart.yaml is 0.1.0"),
        (
            "0.2.0",
            REPOSITORY,
            {"app_version": "0.1.0"},
            "the appVersion in charts/testrun-operator/Chart.yaml is 0.1.0",
        ),
        ("0.2.0", REPOSITORY, {"section": None}, "CHANGELOG.md has no section '## [0.2.0] - DATE'"),
        (
            "0.2.0",
            REPOSITORY,
            {"section": replace(SECTION, date="unreleased")},
            "says 'unreleased' of 0.2.0: write the",
        ),
        ("0.2.0", REPOSITORY, {"section": replace(SECTION, text="")}, "the section of 0.2.0 in CHANGELOG.md is empty"),
        ("0.2.0", REPOSITORY, {"tags": ("v0.1.9",)}, "the commit has the tag v0.1.9, not v0.2.0"),
        (
            "0.2.0",
            REPOSITORY,
            {"changed_files": tuple("abcdefg")},
            "not everything is committed: a, b, c, d, e and 2 more",
        ),
    ],
)
def test_what_does_not_agree_is_told_before_anything_is_built(
    version: str, repository: str, changed: Mapping[str, object], problem: str
) -> None:
    """In words that name the file and what would be right."""
    found = list(facts.find_problems(version, repository, replace(GOOD, **changed)))  # type: ignore[arg-type]
    assert any(problem in text for text in found), found


def make_repository(folder: Path, *, date: str = "2026-12-31") -> Path:
    """Make a git repository with what a release is made from."""
    chart = folder / "charts" / "testrun-operator"
    (chart / "templates").mkdir(parents=True)
    (chart / "Chart.yaml").write_text('apiVersion: v2\nname: testrun-operator\nversion: 0.2.0\nappVersion: "0.2.0"\n')
    (chart / "values.yaml").write_text("image:\n  repository: testrun-operator\n  tag: ''\n")
    (chart / "templates" / "pod.yaml").write_text(
        'apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {restartPolicy: "{{ .Values.image.tag }}"}\n'
    )
    (folder / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text().replace('"0.1.0"', '"0.2.0"', 1))
    (folder / "README.md").write_text("# A project\n")
    (folder / "operator" / "testrun_operator").mkdir(parents=True)
    (folder / "operator" / "testrun_operator" / "__init__.py").write_text('"""A package."""\n')
    (folder / "CHANGELOG.md").write_text(f"# Changelog\n\n## [0.2.0] - {date}\n\nThe second.\n")
    (folder / "manifests").mkdir()
    (folder / "manifests" / "install.yaml").write_text(
        '# kubectl apply -f manifests/install.yaml\nimage: "testrun-operator:0.2.0"\nname: testrun-operator\n'
    )
    for words in (
        ("init", "--quiet"),
        ("add", "."),
        ("-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "--quiet", "-m", "All"),
    ):
        subprocess.run(["git", "-C", folder, *words], check=True, env={**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null"})
    return folder


def write_image(build: object, target: Path, *, time: int) -> None:
    """Write an image with a package of each kind, in place of the one that would be built."""
    del build, time
    root = layer(
        [
            LayerFile("usr/lib/os-release", b'ID=debian\nVERSION_ID="13"\n'),
            LayerFile(
                "var/lib/dpkg/status",
                b"Package: bash\nStatus: install ok installed\nArchitecture: amd64\nVersion: 5.2-1\n\n"
                b"Package: gone\nStatus: deinstall ok config-files\nArchitecture: amd64\nVersion: 1\n",
            ),
            LayerFile("opt/venv/lib/pip-25.dist-info/METADATA", b"Name: pip\nVersion: 25\n"),
        ]
    )
    project = layer(
        [
            LayerFile("opt/venv/lib/.wh.pip-25.dist-info"),
            LayerFile(
                "opt/venv/lib/a.dist-info/METADATA", b"Name: Some_Thing\nVersion: 1.2\nLicense-Expression: MIT\n"
            ),
        ]
    )
    write_archive(
        target, name="testrun-operator:0.2.0", layers=[root, gzip.compress(project, mtime=0)], settings=ImageSettings()
    )


@pytest.fixture(scope="module")
def releases(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Make a release twice, on a machine without cosign, where images are played; the second over an older one."""
    folder = tmp_path_factory.mktemp("releases")
    repository = make_repository(folder / "repository")
    (folder / "second").mkdir()
    (folder / "second" / "left-over").write_text("of an earlier one")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(script, "write_archive", write_image)
        patch.setattr(parts, "_has", lambda _program: False)
        patch.setenv("TESTRUN_HELM_LIBRARY", "1")
        assert (0, 0) == (make_release(repository, folder / "first"), make_release(repository, folder / "second"))
    return folder / "first", folder / "second"


def make_release(repository: Path, target: Path) -> int:
    """Run the script."""
    return script.main(["--root", str(repository), "--output", str(target), "--image-repository", REPOSITORY])


def test_a_release_is_the_same_when_it_is_made_again(releases: tuple[Path, Path]) -> None:
    """Whoever doubts a release makes it again from the tag, and compares the checksums."""
    first, second = ({path.name: path.read_bytes() for path in release.iterdir()} for release in releases)
    assert first.keys() == second.keys()
    assert [] == [name for name, body in first.items() if body != second[name]]


def test_a_release_has_everything_and_names_its_image(releases: tuple[Path, Path]) -> None:
    """Chart, manifests, notes and bill of materials name the image by its real name; the checksums are right."""
    dist = releases[0]
    names = {path.name.replace("arm64", "amd64") for path in dist.iterdir()}
    assert names == {
        *("RELEASE_NOTES.md", "SHA256SUMS", "testrun-operator-0.2.0.tgz", "testrun-operator-0.2.0-install.yaml"),
        *("testrun-operator-0.2.0-linux-amd64.oci.tar", "testrun-operator-0.2.0-linux-amd64.cdx.json"),
        *("testrun_operator-0.2.0.tar.gz", "testrun_operator-0.2.0-py3-none-any.whl"),
    }
    with tarfile.open(dist / "testrun-operator-0.2.0.tgz") as chart:
        values = chart.extractfile("testrun-operator/values.yaml")
        assert values is not None
        assert f"  repository: {REPOSITORY}\n" in values.read().decode()
    manifest = (dist / "testrun-operator-0.2.0-install.yaml").read_text()
    assert f'image: "{REPOSITORY}:0.2.0"\nname: testrun-operator\n' in manifest
    assert "# kubectl apply -f testrun-operator-0.2.0-install.yaml\n" in manifest
    subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=dist, check=True)
    (bill,) = dist.glob("*.cdx.json")
    digest = json.loads(bill.read_text())["metadata"]["component"]["bom-ref"].partition("@")[2]
    assert f"`{REPOSITORY}@{digest}`" in (dist / "RELEASE_NOTES.md").read_text()


def test_what_is_not_committed_is_not_released(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A dirty tree is refused; what is told is one line for each fault, and nothing is written."""
    repository = make_repository(tmp_path / "repository")
    (repository / "forgotten.txt").write_text("forgotten")
    assert 1 == make_release(repository, tmp_path / "dist")
    assert "- not everything is committed: forgotten.txt\n" in capsys.readouterr().err
    assert not (tmp_path / "dist").exists()


def test_a_version_that_the_changelog_calls_unreleased_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its notes would be those of nothing."""
    assert 1 == make_release(make_repository(tmp_path / "repository", date="unreleased"), tmp_path / "dist")
    assert "- CHANGELOG.md says 'unreleased' of 0.2.0" in capsys.readouterr().err


def test_where_there_is_no_cosign_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The files are as good without a signature, and nobody is to believe that they have one."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "not signed, as cosign is not on PATH" == parts.sign(tmp_path / "SHA256SUMS")


def test_where_cosign_is_there_the_checksums_are_signed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One signature for all files; the key is the one of the environment, if it names one."""
    cosign = tmp_path / "bin" / "cosign"
    cosign.parent.mkdir()
    cosign.write_text(f'#!/bin/sh\necho "$*" > {tmp_path}/asked\n')
    cosign.chmod(0o755)
    monkeypatch.setenv("PATH", f"{cosign.parent}:{os.environ['PATH']}")
    monkeypatch.delenv("COSIGN_KEY", raising=False)
    sums = tmp_path / "SHA256SUMS"
    assert "signed by cosign: SHA256SUMS.sigstore.json" == parts.sign(sums)
    assert f"sign-blob --yes --bundle {sums}.sigstore.json {sums}\n" == (tmp_path / "asked").read_text()
    monkeypatch.setenv("COSIGN_KEY", "cosign.key")
    parts.sign(sums)
    assert "sign-blob --yes --key cosign.key " in (tmp_path / "asked").read_text()
    cosign.write_text("#!/bin/sh\necho no identity >&2\nexit 1\n")
    with pytest.raises(parts.CannotRelease, match="no identity"):
        parts.sign(sums)


def test_an_archive_says_nothing_of_when_and_by_whom_it_was_made(tmp_path: Path) -> None:
    """The same files, written at another time, in another order, by somebody else, are the same bytes."""
    written = []
    for name, order, time, user in (("a.tgz", "ab", 1, "x"), ("b.tgz", "ba", 2, "y")):
        with tarfile.open(tmp_path / name, "w:gz") as archive:
            for letter in order:
                entry = tarfile.TarInfo(letter)
                entry.size, entry.mtime, entry.uname = 1, time, user
                archive.addfile(entry, io.BytesIO(letter.encode()))
        archives.rewrite(tmp_path / name, 1_800_000_000, compress=True)
        written.append((tmp_path / name).read_bytes())
    assert written[0] == written[1]
    with tarfile.open(tmp_path / "a.tgz") as archive:
        assert [("a", 1_800_000_000), ("b", 1_800_000_000)] == [(entry.name, entry.mtime) for entry in archive]


def test_the_bill_of_materials_is_of_what_the_image_has(tmp_path: Path) -> None:
    """Packages of all layers, as the uppermost leave them; what was removed, or never installed, is none."""
    write_image(None, tmp_path / "image.tar", time=0)
    found = contents.read_contents(tmp_path / "image.tar")
    assert "debian-13" == found.distribution
    assert ["bash"] == [package.name for package in found.debian]
    assert [("some-thing", "1.2", "MIT")] == [(item.name, item.version, item.licence) for item in found.python]
    bill = json.loads(sbom.write_bill(found, repository=REPOSITORY, version="0.2.0", time=1_800_000_000))
    assert {component["purl"] for component in bill["components"]} == {
        "pkg:deb/debian/bash@5.2-1?arch=amd64&distro=debian-13",
        "pkg:pypi/some-thing@1.2",
    }
    assert "2027-01-15T08:00:00+00:00" == bill["metadata"]["timestamp"]


def test_what_is_no_image_has_no_bill_of_materials(tmp_path: Path) -> None:
    """Docker's own format, for instance."""
    with tarfile.open(tmp_path / "image.tar", "w") as archive:
        archive.addfile(tarfile.TarInfo("manifest.json"))
    with pytest.raises(ValueError, match=r"image\.tar is no OCI archive of one image"):
        contents.read_contents(tmp_path / "image.tar")
