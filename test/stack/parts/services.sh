# shellcheck shell=bash disable=SC2154
# DynamoDB Local, the emulated AWS and the simulated Adobe.

section "Services"
emulated() { AWS_ENDPOINT_URL=$emulator "$aws" "$@"; }

start dynamodb java -Xmx512m -Djava.library.path="$work/dynamodb" -cp "$work/dynamodb/*" "$here/DynamoDBLocal.java" "$dynamodb_port"
start emulator env AWS_ENDPOINT_URL="$emulator" GATEWAY_PORT="$emulator_port" BIND_HOST=127.0.0.1 \
    "$work/emulator/bin/python" "$here/emulator.py"
need "the simulated Adobe compiles" go build -o "$work/cmu" ./cmd/cmu
start sandbox "$work/cmu" sandbox --listen "127.0.0.1:$sandbox_port" --host host.docker.internal
need "DynamoDB Local answers" until_ok 60 curl -s -o /dev/null "$dynamodb"
need "the emulated AWS answers" until_ok 60 curl -sf "$emulator/_ministack/health"
need "the simulated Adobe answers" until_ok 30 curl -sf "$sandbox/_sandbox/stats"
curl -sf "$sandbox/_sandbox/statement" >"$work/statement.txt"

count() { curl -sf "$sandbox/_sandbox/stats" >"$work/stats.json" && value "$work/stats.json" "d['$1']"; }

# counts KIND BEFORE MORE: so many calls reached the simulated Adobe since it had counted BEFORE
counts() {
    local now
    now=$(count "$1")
    echo "$1: $2 before, $now now, want $3 more"
    [ "$now" -eq $(($2 + $3)) ]
}
