#!/bin/sh
# Creates a TestRun with kubectl, waits until it is over, and tells by its exit code how it ended:
#
#   run-and-wait.sh MANIFEST [OPTION OF KUBECTL...]        for instance: run-and-wait.sh run.yaml -n shop
#
# 0 passed; 1 failed; 2 errored, cancelled, invalid, or refused by the API server; 3 not over after TIMEOUT seconds
# (600). What did not pass is on standard output. Run with kubectl 1.32 and 1.37.
set -eu
manifest=${1:?usage: run-and-wait.sh MANIFEST [OPTION OF KUBECTL...]}
shift
deadline=$(($(date +%s) + ${TIMEOUT:-600}))

run=$(kubectl create -f "$manifest" "$@" -o name) || exit 2
echo "$run created" >&2

show() {
  path=$1
  shift
  kubectl get "$run" "$@" -o jsonpath="$path"
}

# Reconciling is False as soon as nothing more happens, whatever came of it. Where the suite does not exist or is
# invalid, the run waits for somebody to mend it: nothing that a pipeline should wait for, so that is looked at, too.
until kubectl wait "$run" "$@" --for=condition=Reconciling=False --timeout=5s >/dev/null 2>&1; do
  case $(show '{.status.conditions[?(@.type=="Reconciling")].reason}' "$@") in
    SuiteInvalid | SuiteNotFound)
      echo "$run: $(show '{.status.conditions[?(@.type=="Reconciling")].message}' "$@")" >&2
      exit 2
      ;;
  esac
  if [ "$(date +%s)" -ge "$deadline" ]; then
    echo "$run: not over in time; it goes on" >&2
    exit 3
  fi
done

# From here on a call that does not succeed must not end the script with the 1 of kubectl, which would say "failed".
show '{range .status.failures[*]}{.case}: {.verdict}, {.reason}: {.message}{"\n"}{end}' "$@" || true
phase=$(show '{.status.phase}' "$@") || exit 2
echo "$run: $phase: $(show '{.status.conditions[?(@.type=="Succeeded")].message}' "$@")" >&2
case $phase in
  Passed) exit 0 ;;
  Failed) exit 1 ;;
  *) exit 2 ;;
esac
