"""The project's image as a file for others: an OCI archive that is the same for the same commit."""

from __future__ import annotations

import shutil
from pathlib import Path

from native import cache, choice, stock_images
from native.build_image import Build, build_volumes, buildah, ensure_base
from native.image_names import full_name
from native.packages import IMAGE_PACKAGES, ensure_packages
from native.processes import new_log, run, run_logged
from native.terminal import Fault, step


def write_archive(build: Build, target: Path, *, time: int) -> None:
    """Build the image anew and write it, with compressed layers.

    Args:
        build: what is built, and the name that the archive gives it.
        target: the archive to write.
        time: seconds since 1970: when the image and its files say that they were made.

    Raises:
        Fault: Docker builds here and there is no skopeo, without which its images cannot be had in OCI's format.
    """
    with step(f"{build.tag} is built"):
        if choice.docker_answers():
            _with_docker(build, target, time)
        else:
            _with_buildah(build, target, time)


def _with_docker(build: Build, target: Path, time: int) -> None:
    if shutil.which("skopeo") is None:
        raise Fault("skopeo is not installed: with Docker alone, an image cannot be written as an OCI archive")
    run_logged(
        ["docker", "build", "--pull", "--tag", build.tag, "--file", build.dockerfile, build.context],
        title="docker build",
        log=new_log(cache.build_logs() / "release-image.log"),
        usual_seconds=120,
        environment={"DOCKER_BUILDKIT": "1", "SOURCE_DATE_EPOCH": str(time)},
    )
    run(["skopeo", "copy", "--quiet", f"docker-daemon:{build.tag}", f"oci-archive:{target}:{full_name(build.tag)}"])


def _with_buildah(build: Build, target: Path, time: int) -> None:
    log = new_log(cache.build_logs() / "release-image.log")
    ensure_packages(IMAGE_PACKAGES, log=log)
    ensure_base(stock_images.python_base(), log=log)
    scratch = cache.cache_home() / "buildah" / "scratch"
    scratch.mkdir(parents=True, exist_ok=True)
    run_logged(
        buildah(
            # Without --layers nothing is taken from an earlier build, whose files have other times.
            *("bud", f"--timestamp={time}", "--network=host", "--isolation=chroot", "--pull-never", "--format=oci"),
            *(f"--volume={volume}" for volume in build_volumes()),
            *("--tag", full_name(build.tag), "--file", build.dockerfile, build.context),
        ),
        title="buildah bud",
        log=log,
        usual_seconds=120,
        environment={"TMPDIR": str(scratch)},
    )
    run(buildah("push", "--quiet", full_name(build.tag), f"oci-archive:{target}:{full_name(build.tag)}"))
    run(buildah("rmi", full_name(build.tag)), check=False)
