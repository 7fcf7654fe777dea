"""The image of the Git server is made anew when its files change."""

import re

import yaml

from native.git_server import FILES, NAME, git_server
from native.stock_images import SOURCES, stock_images


def test_every_file_decides_what_is_in_the_image() -> None:
    """An archive of older files is not taken for one of these."""
    recipe = git_server().recipe
    for name in FILES:
        assert (SOURCES / "git" / name).read_text() in recipe


def test_nobody_waits_for_it_who_does_not_ask_for_it() -> None:
    """It is not among the images that the cluster has from the start."""
    assert git_server().name not in {image.name for image in stock_images()}


def test_the_manifest_names_the_image_and_the_files_in_it() -> None:
    """What is deployed is what is made."""
    deployment, service = yaml.safe_load_all((SOURCES / "git" / "server.yaml").read_text())
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["image"] == NAME
    mounts = {mount["mountPath"] for mount in container["volumeMounts"]}
    assert re.findall(r"(?m)^tls=(.*)$", (SOURCES / "git" / "git-server").read_text())[0] in mounts
    named = {port["name"] for port in container["ports"]}
    assert {port["targetPort"] for port in service["spec"]["ports"]} == named
