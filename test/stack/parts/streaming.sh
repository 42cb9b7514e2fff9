# shellcheck shell=bash disable=SC2154
# Answers of any size: the built query function as it runs with ResponseMode=streaming, under a stand-in for Lambda's Runtime API. The emulated
# API Gateway cannot stream.

section "Response streaming"
streaming() {
    emulated lambda get-function-configuration --function-name "$(output QueryFunction)" --query Environment.Variables --output json >"$work/variables.json" || return
    python3 - "$work/variables.json" >"$work/variables.txt" <<'PY'
import json, sys
for name, value in json.load(open(sys.argv[1])).items():
    print(f"{name}={value}")
PY
    local variables
    mapfile -t variables <"$work/variables.txt"
    # Adobe is asked for more rows at once than by default: the emulated table takes few and large blocks sooner.
    env "${variables[@]}" CMU_ROW_LIMIT=200000 AWS_ENDPOINT_URL="$emulator" "$work/streaming" "$work/build/Query/bootstrap" "$path?$window" \
        '/cmu/v2/tenant/year/month/day/hour/minute/mvpd?start=2026-08-01&end=2026-08-16'
}
need "the stand-in for the Runtime API compiles" go build -o "$work/streaming" ./test/stack/streaming
check "headers, preludes, 100 MB within 256 MB of memory, an end that is missing" streaming
sed 's/^/      | /' "$work/check.out"
