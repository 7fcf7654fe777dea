#!/bin/sh
# Creates a TestRun with an HTTP POST to the API server, and waits until it is over: post-and-wait.sh FILE.json
#
# API, CA, TOKEN and NAMESPACE say where and who; in a pod they are those of its ServiceAccount. Needs curl and jq.
# Exit code: 0 passed; 1 failed; 2 errored, cancelled, invalid or refused; 3 not over after TIMEOUT seconds (600).
set -eu
body=${1:?usage: post-and-wait.sh FILE.json}
mounted=/var/run/secrets/kubernetes.io/serviceaccount
api=${API:-https://kubernetes.default.svc}
namespace=${NAMESPACE:-$(cat $mounted/namespace)}
token=${TOKEN:-$(cat $mounted/token)}
runs=$api/apis/testrun.dev/v1alpha1/namespaces/$namespace/testruns
deadline=$(($(date +%s) + ${TIMEOUT:-600}))

# The token comes on standard input: arguments are seen by every user of the machine.
call() {
  printf 'header = "Authorization: Bearer %s"\n' "$token" |
    curl --config - --silent --show-error --fail-with-body --max-time 30 --cacert "${CA:-$mounted/ca.crt}" "$@"
}

if ! answer=$(call --header 'Content-Type: application/json' --data "@$body" "$runs"); then
  echo "$answer" >&2
  exit 2
fi
name=$(echo "$answer" | jq -r .metadata.name)
echo "$name created" >&2

while [ "$(date +%s)" -lt "$deadline" ]; do
  # A server that does not answer for a moment is asked again.
  run=$(call "$runs/$name") || run='{}'
  phase=$(echo "$run" | jq -r 'if .status.observedGeneration == .metadata.generation then .status.phase else "" end')
  said=$(echo "$run" | jq -r '.status.conditions[]? | select(.type == "Reconciling") | .reason + ": " + .message')
  case $phase,$said in
    *,SuiteInvalid:* | *,SuiteNotFound:*)
      echo "$name: $said" >&2
      exit 2
      ;;
    Passed,* | Failed,* | Errored,* | Cancelled,*)
      echo "$run" | jq -r '.status.failures[]? | "\(.case): \(.verdict), \(.reason): \(.message)"'
      echo "$name: $phase" >&2
      case $phase in
        Passed) exit 0 ;;
        Failed) exit 1 ;;
        *) exit 2 ;;
      esac
      ;;
  esac
  sleep 1
done
echo "$name: not over in time; it goes on" >&2
exit 3
