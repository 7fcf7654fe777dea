"""The images that the cluster has from the start, made from Debian's packages and kept as OCI archives in the cache."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from native import apt_sources, cache
from native.node import PAUSE_IMAGE
from native.oci_archive import ImageSettings, LayerFile, layer, write_archive
from native.packages import IMAGE_PACKAGES, ensure_packages
from native.processes import new_log, run, run_logged
from native.terminal import step

SOURCES = Path(__file__).resolve().parent.parent / "images"
SUITE = "trixie"
PYTHON_BASE = "docker.io/library/python:3.13-slim-trixie"
POSTGRES = "docker.io/library/postgres:17-trixie"
BUSYBOX = "docker.io/library/busybox:1.37"
BUSYBOX_USERS = b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n"
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
POSTGRES_PROGRAMS = "/usr/lib/postgresql/17/bin"
POSTGRES_USER = 999
# Of no use inside an image, and half of its size.
LEFT_OUT = (
    "/usr/share/doc/*",
    "/usr/share/info/*",
    "/usr/share/locale/*",
    "/usr/share/man/*",
)
# PostgreSQL's compiler for expressions is the larger part of the image, and of no use for small databases.
LEFT_OUT_OF_POSTGRES = (*LEFT_OUT, "/usr/lib/*/libLLVM*", "/usr/lib/llvm-*", "/usr/lib/postgresql/*/lib/*llvmjit*")


# Shell commands in which "$1" is the root file system. An image is no machine: it needs neither the mirror's name nor
# package lists, logs and identity of its making.
FORGET = (
    'rm -rf "$1"/etc/apt/sources.list "$1"/etc/apt/sources.list.d/* "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/*',
    'rm -rf "$1"/var/log/* "$1"/var/cache/debconf/*-old "$1"/var/lib/dpkg/*-old "$1"/etc/resolv.conf "$1"/etc/hostname',
    ': > "$1"/etc/machine-id',
)
OWNED = f"install -d -o {POSTGRES_USER} -g {POSTGRES_USER}"
SET_UP_POSTGRES = (
    f'chroot "$1" usermod --uid {POSTGRES_USER} --home /var/lib/postgresql postgres',
    f'chroot "$1" groupmod --gid {POSTGRES_USER} postgres',
    # Never through "$1"/var/run: that is a link to /run, which here would be the machine's own.
    'rm -rf "$1"/var/lib/postgresql "$1"/etc/postgresql "$1"/run/postgresql',
    f'{OWNED} -m 1777 "$1"/var/lib/postgresql "$1"/var/lib/postgresql/data',
    f'{OWNED} -m 3777 "$1"/run/postgresql',
)


@dataclass(frozen=True)
class StockImage:
    """An image, what decides its content, and how its archive is written."""

    name: str
    title: str
    usual_seconds: int
    recipe: tuple[str, ...]
    build: Callable[[Path, Path], None]
    """Takes the archive to write and the log."""

    @property
    def archive(self) -> Path:
        """The archive's place in the cache."""
        folder = cache.recipe_key(self.title, [self.name, *self.recipe])
        return cache.cache_home() / "images" / folder / "image.tar"


def build_root(
    target: Path,
    *,
    packages: tuple[str, ...],
    log: Path,
    setup: tuple[str, ...] = (),
    left_out: tuple[str, ...] = LEFT_OUT,
) -> None:
    """Make a root file system of Debian packages as a tar file."""
    line = apt_sources.one_line(apt_sources.own_debian_sources()[0], suite=SUITE)
    options = [f"--dpkgopt=path-exclude={pattern}" for pattern in left_out]
    hooks = [f"--customize-hook={command}" for command in (*setup, *FORGET)]
    run_logged(
        [
            *("mmdebstrap", "--mode=root", "--variant=minbase", "--skip=output/mknod"),
            *(f"--include={','.join(packages)}", *options, *hooks),
            *(SUITE, str(target), line),
        ],
        title=f"mmdebstrap {SUITE}",
        log=log,
        usual_seconds=30,
        environment={"SOURCE_DATE_EPOCH": "0", "TMPDIR": str(target.parent)},
    )


def build_pause(archive: Path, log: Path) -> None:
    """Compile the pause program and make an image of nothing else."""
    ensure_packages(("gcc", "libc6-dev"), log=log)
    program = archive.with_name("pause")
    run(["gcc", "-Os", "-static", "-Wall", "-o", program, SOURCES / "pause" / "pause.c"])
    run(["strip", program])
    files = layer([LayerFile("pause", program.read_bytes())])
    program.unlink()
    write_archive(archive, name=PAUSE_IMAGE, layers=[files], settings=ImageSettings(entrypoint=("/pause",)))


def build_python(archive: Path, log: Path) -> None:
    """Debian's Python under the official image's name: `python3 -m venv` is all that a Dockerfile may ask of it."""
    ensure_packages(IMAGE_PACKAGES, log=log)
    with tempfile.TemporaryDirectory(dir=archive.parent) as work:
        root = Path(work) / "root.tar"
        build_root(root, packages=("python3", "python3-venv", "ca-certificates"), log=log)
        settings = ImageSettings(command=("python3",), environment={"PATH": SYSTEM_PATH, "LANG": "C.UTF-8"})
        write_archive(archive, name=PYTHON_BASE, layers=[root], settings=settings)


def build_postgres(archive: Path, log: Path) -> None:
    """Debian's PostgreSQL with an entrypoint that keeps the official image's promises."""
    ensure_packages(IMAGE_PACKAGES, log=log)
    with tempfile.TemporaryDirectory(dir=archive.parent) as work:
        root = Path(work) / "root.tar"
        build_root(root, packages=("postgresql-17",), log=log, setup=SET_UP_POSTGRES, left_out=LEFT_OUT_OF_POSTGRES)
        entrypoint = (SOURCES / "postgres" / "entrypoint").read_bytes()
        files = layer([LayerFile("usr/local/bin/docker-entrypoint.sh", entrypoint)])
        settings = ImageSettings(
            entrypoint=("docker-entrypoint.sh",),
            command=("postgres",),
            environment={
                "PATH": f"{SYSTEM_PATH}:{POSTGRES_PROGRAMS}",
                "LANG": "C.UTF-8",
                "PGDATA": "/var/lib/postgresql/data",
            },
            user=str(POSTGRES_USER),
            stop_signal="SIGINT",
        )
        write_archive(archive, name=POSTGRES, layers=[root, files], settings=settings)


def build_busybox(archive: Path, log: Path) -> None:
    """Debian's static busybox with a link for each of its programs."""
    with tempfile.TemporaryDirectory(dir=archive.parent) as work:
        run_logged(
            ["apt-get", "download", "busybox-static"],
            title="fetching busybox",
            log=log,
            usual_seconds=5,
            folder=Path(work),
        )
        (package,) = Path(work).glob("*.deb")
        run(["dpkg-deb", "--extract", package, Path(work) / "root"])
        # In /bin or /usr/bin, as the release has it; other things of the package have the name too.
        (program,) = (path for path in (Path(work) / "root").rglob("bin/busybox") if path.is_file())
        names = subprocess.run([program, "--list"], capture_output=True, text=True, check=True).stdout.split()
        files = [
            *(LayerFile(folder, is_folder=True) for folder in ("bin", "etc", "root", "usr", "usr/bin", "var")),
            LayerFile("tmp", mode=0o1777, is_folder=True),
            LayerFile("etc/passwd", BUSYBOX_USERS, 0o644),
            LayerFile("etc/group", b"root:x:0:\nnobody:x:65534:\n", 0o644),
            LayerFile("bin/busybox", program.read_bytes()),
            *(LayerFile(f"bin/{name}", link_to="busybox", mode=0o777) for name in names if name != "busybox"),
        ]
        settings = ImageSettings(command=("sh",), environment={"PATH": SYSTEM_PATH})
        write_archive(archive, name=BUSYBOX, layers=[layer(files)], settings=settings)


def pause() -> StockImage:
    """The image that no pod starts without."""
    return StockImage(
        name=PAUSE_IMAGE,
        title="pause",
        usual_seconds=1,
        recipe=("1", (SOURCES / "pause" / "pause.c").read_text()),
        build=build_pause,
    )


def stock_images() -> list[StockImage]:
    """Every image that the cluster offers from the start."""
    return [
        pause(),
        StockImage(name=BUSYBOX, title="busybox", usual_seconds=2, recipe=("1",), build=build_busybox),
        StockImage(
            name=POSTGRES,
            title="postgres",
            usual_seconds=40,
            recipe=(
                SUITE,
                *LEFT_OUT_OF_POSTGRES,
                *SET_UP_POSTGRES,
                *FORGET,
                (SOURCES / "postgres" / "entrypoint").read_text(),
            ),
            build=build_postgres,
        ),
    ]


def python_base() -> StockImage:
    """The base of the project's own image; only builds need it, the cluster does not."""
    return StockImage(
        name=PYTHON_BASE, title="python", usual_seconds=25, recipe=(SUITE, *LEFT_OUT, *FORGET), build=build_python
    )


def ensure_built(image: StockImage, *, logs: Path) -> Path:
    """Return the image's archive, writing it first when the cache lacks it."""
    if image.archive.exists():
        return image.archive
    with (
        step(f"the image {image.name} is made: about {image.usual_seconds} s, once per machine"),
        cache.new_entry(image.archive.parent) as partial,
    ):
        if not image.archive.exists():
            image.build(partial / "image.tar", new_log(logs / f"image-{image.title}.log"))
    remove_older(image)
    return image.archive


def remove_older(image: StockImage) -> None:
    """Remove the archives that older recipes of the same image left: they are some hundred megabytes each."""
    for folder in image.archive.parent.parent.glob(f"{image.title}-*"):
        if folder != image.archive.parent:
            shutil.rmtree(folder, ignore_errors=True)
