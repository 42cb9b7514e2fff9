# shellcheck shell=bash disable=SC2154
# Reports through the emulated API Gateway.

section "Reports through the emulated API Gateway"
no_key() {
    local got
    got=$(curl -sS -o "$work/body.txt" -w '%{http_code}' "$api/cmu/v2/tenant/year/month/day")
    echo "status $got, want 403"
    [ "$got" = 403 ]
}

keyless() { # keyless STATUS PATH
    local got
    got=$(curl -sS -o "$work/body.txt" -w '%{http_code}' "$api$2")
    echo "status $got, want $1"
    [ "$got" = "$1" ]
}
check "no key: 403" no_key
check "no key: the page" keyless 200 /
check "no key: there is no such asset" keyless 404 /assets/none.js
check "no key: no status" keyless 403 /status
reports=$(count report)
check "a first report" answers 200 "$path?$window"
check "it is a miss" says Cache-Status 'fwd=(miss|uri-miss|vary-miss)'
check "it has rows" body_is 'len(d["report"]) > 0'
check "it asked Adobe" test "$(count report)" -gt "$reports"

# The proof of calendar cutting runs after the first answer; the count is taken once it rests.
settled() { local a b; a=$(count report); sleep 1; b=$(count report); [ "$a" -eq "$b" ]; }
until_ok 20 settled >/dev/null
reports=$(count report)
check "the same again" answers 200 "$path?$window"
check "it is a hit" says Cache-Status '; *hit'
check "it did not ask Adobe" counts report "$reports" 0
check "gzip" answers 200 "$path?$window" --compressed
check "gzip is announced" says Content-Encoding gzip
check "gzip has the rows" body_is 'len(d["report"]) > 0'
check "CSV" answers 200 "$path.csv?$window"
check "CSV has its media type" says Content-Type text/csv
check "CSV has its columns" body_has tenant,year,month,day
check "a filter, equal" answers 200 "$path/mvpd?$window&mvpd=Comcast_SSO"
check "a filter, not equal" answers 200 "$path/mvpd?$window&mvpd%21=Comcast_SSO"
check "a filter without value" answers 200 "$path?$window&mvpd"
check "a filter without value projects its dimension" body_is 'all("mvpd" in r for r in d["report"])'
check "HEAD" answers 200 "$path?$window" --head
check "HEAD has no body" grep -q ' 0$' "$work/written.txt"
etag() { header ETag | cut -d' ' -f2-; }
not_modified() { answers 200 "$path?$window" && answers 304 "$path?$window" -H "If-None-Match: $(etag)"; }
check "304 for the same ETag" not_modified
check "a range: 206" answers 206 "$path?$window" -H 'Range: bytes=10-109'
check "it says which" says Content-Range '^.*bytes 10-109/[0-9]+$'
check "it has a hundred bytes" grep -q '^206 100$' "$work/written.txt"
check "416 past the end" answers 416 "$path?$window" -H 'Range: bytes=999999999-'
preflight() { # preflight ORIGIN STATUS: what a browser asks before it sends a key, without one; by the API's own host, where the emulator leaves OPTIONS alone
    local got
    got=$(curl -sS -X OPTIONS -H "Host: $(cat "$work/api.txt").execute-api.localhost:$emulator_port" -H "Origin: $1" -H 'Access-Control-Request-Method: GET' -H 'Access-Control-Request-Headers: x-api-key' \
        -D "$work/headers.txt" -o "$work/body.txt" -w '%{http_code}' "$emulator/live$path?$window")
    echo "status $got, want $2"
    cat "$work/headers.txt" "$work/body.txt"
    [ "$got" = "$2" ]
}
check "preflight without a key" preflight https://dashboards.example 204
check "it allows the origin" says Access-Control-Allow-Origin 'https://dashboards\.example$'
check "and the key" says Access-Control-Allow-Headers '[Xx]-[Aa]pi-[Kk]ey'
check "405 for POST" answers 405 "$path?$window" -X POST
check "404 for an unknown report" answers 404 "/cmu/v2/no-such-dimension"
check "purge by an API key: 403" answers 403 "$path" -X DELETE
check "purge, signed" answers 200 "$path" -X DELETE --aws-sigv4 aws:amz:us-east-1:execute-api --user test:test
check "purge has deleted something" body_is 'd["deleted"] > 0'
check "status" answers 200 /status
check "it tells its version" body_is 'd["version"].startswith("v")'
check "the service at the root" answers 200 /
