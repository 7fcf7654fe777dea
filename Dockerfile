# One image for all that runs in a cluster: `testrun operator`, `testrun testserver`, the runner of test cases, and the
# command line. It needs no write access to its root file system, only a /tmp.
#
# Any base will do that has `python3` with its `venv` module, Python 3.11 or later, and CA certificates.
ARG BASE=docker.io/library/python:3.13-slim-trixie

# --- What the project depends on: fetched again only when the lock file changes. -------------------------------------
FROM ${BASE} AS dependencies
# Debian's own Python refuses to be installed into; a virtual environment works with every Python, and is one folder
# to copy.
RUN python3 -m venv /opt/venv
# oracle.lock has the driver of Oracle besides: --build-arg REQUIREMENTS=oracle.lock
ARG REQUIREMENTS=runtime.lock
COPY requirements/${REQUIREMENTS} /build/requirements.lock
# Only wheels: nobody's setup.py runs here.
RUN --mount=type=cache,target=/root/.cache/pip \
    /opt/venv/bin/pip install --no-compile --only-binary=:all: --require-hashes --requirement /build/requirements.lock

# --- The project itself, in a tree of its own, so that a change of it is a small layer. ------------------------------
FROM dependencies AS project
COPY pyproject.toml /build/source/
COPY operator /build/source/operator
# setuptools is in the lock file, hence no isolated build, which would fetch one without a hash.
RUN /opt/venv/bin/pip install --quiet --no-compile --no-deps --no-build-isolation --no-index --no-warn-script-location \
      --root /project /build/source \
 && /opt/venv/bin/python3 -m compileall -q --invalidation-mode unchecked-hash -s /project /project/opt/venv/lib \
 && find /project -exec touch --no-dereference --date=@315532800 {} +

# --- The dependencies without what only building needs. --------------------------------------------------------------
FROM dependencies AS trimmed
# Bytecode is compiled here because it cannot be written at run time, and not checked against its source, which cannot
# change. All times are the same one (1980, the oldest that a wheel can have), so that the same content is the same layer.
RUN /opt/venv/bin/pip uninstall --quiet --yes setuptools pip \
 && find /opt/venv/lib -type d \( -name tests -o -name test \) -prune -exec rm -rf {} + \
 && find /opt/venv/lib -type d -name __pycache__ -prune -exec rm -rf {} + \
 && rm -f /opt/venv/bin/activate* /opt/venv/bin/Activate.ps1 \
 && python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/venv/lib \
 && find /opt/venv -exec touch --no-dereference --date=@315532800 {} +

# --- The image. Its settings come first, so that a change of the project repeats nothing but the last step. ------------
FROM ${BASE}
LABEL org.opencontainers.image.title="testrun-operator" \
      org.opencontainers.image.description="Regression testing as Kubernetes resources: operator, runner, test server and command line." \
      org.opencontainers.image.licenses="Apache-2.0"
# The user below has no entry in /etc/passwd, and neither has one that a cluster chooses; who asks for a name gets this.
ENV PATH=/opt/venv/bin:$PATH \
    HOME=/tmp \
    USER=testrun \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
# Numeric, so that the kubelet can see that it is not root.
USER 65532:65532
WORKDIR /tmp
ENTRYPOINT ["testrun"]
COPY --from=trimmed /opt/venv /opt/venv
COPY --from=project /project /
