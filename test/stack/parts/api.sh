# shellcheck shell=bash disable=SC2154
# How reports are asked for through the emulated API Gateway.

fetch() { # fetch PATH?QUERY CURL-OPTION...: body and headers to .work, the status to standard output
    local url=$api$1
    shift
    curl -sS --max-time 60 -H "x-api-key: $(cat "$work/key.txt")" -D "$work/headers.txt" -o "$work/body.txt" -w '%{http_code} %{size_download}' "$@" "$url" \
        >"$work/written.txt" && cut -d' ' -f1 "$work/written.txt"
}
answers() { # answers STATUS PATH?QUERY CURL-OPTION...
    local want=$1 got
    shift
    : >"$work/body.txt"
    got=$(fetch "$@")
    echo "status $got, want $want"
    cat "$work/headers.txt"
    head -c 400 "$work/body.txt"
    [ "$got" = "$want" ]
}
header() { grep -i "^$1:" "$work/headers.txt" | tr -d '\r'; } # header NAME
says() { # says NAME PATTERN: the last answer has the header
    header "$1"
    header "$1" | grep -qE -- "$2"
}
body_is() { # body_is EXPRESSION: of d, the last answer's JSON
    value "$work/body.txt" "$1" | grep -qx True || { head -c 400 "$work/body.txt"; return 1; }
}
body_has() { grep -q -- "$1" "$work/body.txt" || { head -c 400 "$work/body.txt"; return 1; }; }

path=/cmu/v2/tenant/year/month/day
window='start=2026-08&end=2026-10'
