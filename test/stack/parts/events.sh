# shellcheck shell=bash disable=SC2154
# Log lines, events of others, and a table that hangs.

section "Log lines, and events of others"
lines() { # lines PATTERN: a line of the query function's has it
    emulated logs filter-log-events --log-group-name "/aws/lambda/$stack-query" --query 'events[].message' --output text | tr '\t' '\n' >"$work/lines.txt"
    grep -E -- "$1" "$work/lines.txt" | tail -n 3
    grep -qE -- "$1" "$work/lines.txt"
}
check "a report, and an unknown one" eval 'answers 200 "$path?$window" && answers 404 /cmu/v2/no-such-dimension'
check "an answer leaves a line" lines 'event=answered status=200 bytes=[1-9][0-9]* milliseconds=[0-9]+ '
check "a refusal leaves a line" lines 'event=refused status=404 .*code='
refused() { # refused PAYLOAD TEXT: the query function fails, and says so
    emulated lambda invoke --function-name "$(output QueryFunction)" --payload "$1" "$work/direct.json" >"$work/direct.txt"
    cat "$work/direct.txt" "$work/direct.json"
    grep -q FunctionError "$work/direct.txt" && grep -q -- "$2" "$work/direct.json"
}
check "a load balancer's event is refused" refused \
    '{"requestContext": {"elb": {"targetGroupArn": "arn:x"}}, "httpMethod": "DELETE", "path": "/cmu/v2/year", "headers": {}}' 'Application Load Balancer'
check "an HTTP API's event is refused" refused '{"version": "1.0", "httpMethod": "DELETE", "path": "/cmu/v2/year", "requestContext": {}}' 'HTTP API'

section "A table that takes calls and never answers"
hole() { # of the query function's latest version, which the API does not call
    start hole python3 -c '
import socket, sys
s = socket.socket()
s.bind(("127.0.0.1", int(sys.argv[1])))
s.listen(100)
held = []
while True:
    held.append(s.accept())' "$hole_port"
    emulated lambda get-function-configuration --function-name "$(output QueryFunction)" --query Environment --output json >"$work/environment.json" || return
    python3 - "$work/environment.json" "http://127.0.0.1:$hole_port" <<'PY'
import json, sys
d = json.load(open(sys.argv[1]))
d["Variables"]["AWS_ENDPOINT_URL_DYNAMODB"] = sys.argv[2]
json.dump(d, open(sys.argv[1], "w"))
PY
    emulated lambda update-function-configuration --function-name "$(output QueryFunction)" --environment "file://$work/environment.json"
}
in_time() { # the report of events/query.json comes from Adobe, long before the 25 seconds that a table without end would take; cold, beside other work
    local t=$EPOCHREALTIME
    direct QueryFunction file://events/query.json '"statusCode": *200' || return
    since "$t"
    awk -v t="$(since "$t")" 'BEGIN { exit t > 16 }'
}
hole_port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
check "the query function is given such a table" hole
check "a report comes all the same" in_time
