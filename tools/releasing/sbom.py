"""The software bill of materials of a release, as CycloneDX 1.6: what is in its image."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from uuid import NAMESPACE_URL, uuid5

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

from releasing.contents import Contents, Package


class InvalidBill(Exception):
    """What was written breaks a rule of the format."""


def write_bill(contents: Contents, *, repository: str, version: str, time: int) -> str:
    """Write the bill of materials of an image.

    Args:
        contents: what is in it.
        repository: its name, without a tag.
        version: its tag.
        time: seconds since 1970, of the commit; the same release has the same bill.

    Returns:
        JSON that is valid by the schema of CycloneDX 1.6.

    Raises:
        InvalidBill: it would not be.
    """
    name = repository.rpartition("/")[2]
    qualifiers = {"repository_url": repository, "tag": version, "arch": contents.architecture}
    image = Component(
        type=ComponentType.CONTAINER,
        name=repository,
        version=version,
        purl=PackageURL("oci", name=name, version=contents.digest, qualifiers=qualifiers),
        bom_ref=f"{repository}@{contents.digest}",
    )
    parts = [*_debian(contents), *_python(contents.python)]
    bill = Bom(
        components=parts,
        serial_number=uuid5(NAMESPACE_URL, str(image.purl)),
        metadata=BomMetaData(component=image, timestamp=datetime.fromtimestamp(time, UTC)),
    )
    bill.register_dependency(image, parts)
    text = JsonV1Dot6(bill).output_as_string(indent=2)
    if (error := JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)) is not None:
        raise InvalidBill(f"the bill of materials breaks the schema of CycloneDX: {error}")
    return text + "\n"


def _debian(contents: Contents) -> Iterator[Component]:
    for package in contents.debian:
        qualifiers = {"arch": package.architecture, "distro": contents.distribution}
        yield _component(package, PackageURL("deb", "debian", package.name, package.version, qualifiers))


def _python(packages: Iterable[Package]) -> Iterator[Component]:
    for package in packages:
        yield _component(package, PackageURL("pypi", name=package.name, version=package.version))


def _component(package: Package, purl: PackageURL) -> Component:
    return Component(
        type=ComponentType.LIBRARY,
        name=package.name,
        version=package.version,
        description=package.summary or None,
        # An SPDX identifier, an expression of them, or else a name.
        licenses=[LicenseFactory().make_from_string(package.licence)] if package.licence else (),
        purl=purl,
        bom_ref=str(purl),
    )
