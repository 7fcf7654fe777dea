"""Building the project's image from its Dockerfile: by Docker where an engine answers, by buildah elsewhere."""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from native import build_context, built_archives, cache, choice, oci_archive, stock_images
from native.command_line import cluster_of
from native.image_names import full_name
from native.packages import IMAGE_PACKAGES, ensure_packages
from native.processes import new_log, run, run_logged
from native.terminal import Fault, report_faults, say, step

REPOSITORY = Path(__file__).resolve().parent.parent.parent
DEFAULT_TAG = "testrun-operator:dev"
HASH_LABEL = "testrun.dev/content-hash"
LARGE_STORAGE_BYTES = 4 * 1024**3
CERTIFICATE_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
PIP_CACHE_IN_BUILD = "/root/.cache/pip"


@dataclass(frozen=True)
class Build:
    """One build: where from and under which name."""

    context: Path
    dockerfile: Path
    tag: str

    def content_hash(self, *, further: Sequence[str] = ()) -> str:
        """Names everything that goes into the image."""
        ignore_file = self.context / ".dockerignore"
        rules = build_context.parse_ignore_file(ignore_file.read_text() if ignore_file.exists() else "")
        # The Dockerfile itself may be ignored, as far as the context goes.
        texts = [self.dockerfile.read_text(), *further]
        return build_context.context_hash(self.context, rules, further=texts)


def build_with_docker(build: Build, *, force: bool) -> None:
    """Let Docker build, unless the tag already names an image of the same content."""
    content = build.content_hash()
    label = f'{{{{index .Config.Labels "{HASH_LABEL}"}}}}'
    present = run(["docker", "image", "inspect", "--format", label, build.tag], check=False)
    if not force and present.returncode == 0 and present.stdout.strip() == content:
        say(f"{build.tag}: nothing that goes into the image has changed, so it is not built again")
        return
    with step(f"{build.tag} is built by Docker"):
        run_logged(
            [
                *("docker", "build", "--tag", build.tag, "--label", f"{HASH_LABEL}={content}"),
                *("--file", build.dockerfile, build.context),
            ],
            title="docker build",
            log=cache.build_logs() / "docker-build.log",
            usual_seconds=60,
            environment={"DOCKER_BUILDKIT": "1"},
        )


def buildah(*arguments: str | Path) -> list[str | Path]:
    """The beginning of a buildah command that uses a storage of our own, not the machine's."""
    storage = cache.cache_home() / "buildah"
    return ["buildah", "--root", storage / "root", "--runroot", storage / "run", *arguments]


def build_with_buildah(build: Build, *, force: bool) -> Path:
    """Let buildah build, unless the cache has an image of the same content; the image's archive is the result."""
    base = stock_images.python_base()
    content = build.content_hash(further=[base.archive.parent.name])
    archive = built_archives.folder() / content[:24] / built_archives.FILE_NAME
    if force:
        shutil.rmtree(archive.parent, ignore_errors=True)
    if archive.exists():
        say(f"{build.tag}: nothing that goes into the image has changed, so it is not built again")
        # Renewed, so that it counts among the newest ones that are kept.
        os.utime(archive.parent)
    else:
        log = new_log(cache.build_logs() / "image-build.log")
        ensure_packages(IMAGE_PACKAGES, log=log)
        if base.name in build.dockerfile.read_text():
            ensure_base(base, log=log)
        with step(f"{build.tag} is built by buildah"), cache.new_entry(archive.parent) as partial:
            run_buildah(build, archive=partial / "image.tar", log=log)
    built_archives.remember(full_name(build.tag), archive)
    built_archives.remove_old_ones()
    return archive


def ensure_base(base: stock_images.StockImage, *, log: Path) -> None:
    """Put the base image into buildah's storage, unless that has just this one."""
    archive = stock_images.ensure_built(base, logs=log.parent)
    wanted = oci_archive.manifest_digest(archive)
    inspected = run(buildah("inspect", "--type=image", "--format={{.FromImageDigest}}", base.name), check=False)
    if inspected.stdout.strip() != wanted:
        image = run(buildah("pull", "--quiet", f"oci-archive:{archive}")).stdout.strip()
        run(buildah("tag", image, base.name))


def build_volumes() -> list[str]:
    """Folders and files of the machine that a build may use and that do not become part of the image."""
    pip_cache = cache.cache_home() / "pip"
    pip_cache.mkdir(parents=True, exist_ok=True)
    volumes = [f"{pip_cache}:{PIP_CACHE_IN_BUILD}:rw"]
    if CERTIFICATE_BUNDLE.exists():
        # The machine may sit behind a proxy with an authority of its own, which `pip` in the build must trust; the
        # image must not: it keeps the bundle that came with its packages.
        volumes.append(f"{CERTIFICATE_BUNDLE}:{CERTIFICATE_BUNDLE}:ro")
    return volumes


def run_buildah(build: Build, *, archive: Path, log: Path) -> None:
    """Build, and write the archive."""
    volumes = [f"--volume={volume}" for volume in build_volumes()]
    scratch = cache.cache_home() / "buildah" / "scratch"
    scratch.mkdir(parents=True, exist_ok=True)
    run_logged(
        buildah(
            *("bud", "--layers", "--network=host", "--isolation=chroot", "--pull-never", "--format=oci", *volumes),
            *("--tag", full_name(build.tag), "--file", build.dockerfile, build.context),
        ),
        title="buildah bud",
        log=log,
        usual_seconds=60,
        # Folders of `RUN --mount=type=cache` are made there; they belong to the cache too.
        environment={"TMPDIR": str(scratch)},
    )
    target = f"oci-archive:{archive}:{full_name(build.tag)}"
    run(buildah("push", "--quiet", "--disable-compression", full_name(build.tag), target))
    forget_layers_when_large()


def forget_layers_when_large() -> None:
    """Empty buildah's storage when it has become large: what it holds only makes the next build faster."""
    used = sum(path.lstat().st_size for path in (cache.cache_home() / "buildah").rglob("*") if path.is_file())
    if used > LARGE_STORAGE_BYTES:
        run(buildah("rmi", "--all", "--force"), check=False)


def build_image(build: Build, *, force: bool, load: bool) -> None:
    """Build, and load the result into the cluster."""
    if not build.dockerfile.exists():
        raise Fault(f"there is no {build.dockerfile}")
    chosen = choice.current_choice()
    archive: Path | None = None
    if choice.docker_answers():
        build_with_docker(build, force=force)
    else:
        archive = build_with_buildah(build, force=force)
    if load and chosen.kind is not choice.ClusterKind.EXISTING:
        with tempfile.TemporaryDirectory(prefix="testrun-image-") as folder:
            if archive is None and chosen.kind is choice.ClusterKind.NATIVE:
                archive = Path(folder) / "image.tar"
                run(["docker", "save", "--output", archive, build.tag])
            cluster_of(chosen).load_image(build.tag, archive)


def parser() -> argparse.ArgumentParser:
    """The arguments of `ci/build-image`."""
    main = argparse.ArgumentParser(
        prog="ci/build-image",
        description="Builds the image of the Dockerfile and loads it into the cluster of ci/cluster. "
        "Nothing is built when nothing that goes into the image has changed.",
    )
    main.add_argument("--tag", default=DEFAULT_TAG, help="name of the image (default: %(default)s)")
    main.add_argument("--context", type=Path, default=REPOSITORY, help="folder to build from (default: the repository)")
    main.add_argument("--file", type=Path, help="Dockerfile (default: the one in the context)")
    main.add_argument("--force", action="store_true", help="build even when nothing has changed")
    main.add_argument("--no-load", action="store_true", help="do not load the image into the cluster")
    return main


def main(words: Sequence[str] | None = None) -> int:
    """Build as the arguments say; a fault is told in words, without a traceback."""
    arguments = parser().parse_args(words)
    context = arguments.context.resolve()
    build = Build(context=context, dockerfile=(arguments.file or context / "Dockerfile").resolve(), tag=arguments.tag)
    return report_faults(lambda: build_image(build, force=arguments.force, load=not arguments.no_load))
