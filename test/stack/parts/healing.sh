# shellcheck shell=bash disable=SC2154
# What Adobe takes back, and many refreshes at once.

section "Healing"
control() { curl -sf -X POST "$sandbox/_sandbox/$1"; }
heals() { until_ok "$1" answers 200 "$2"; }
registered=$(count register) tokens=$(count token)
check "all tokens are revoked" control revoke-tokens
check "a new report has an answer all the same" heals 60 "$path?start=2026-05&end=2026-07"
check "by one new token" counts token "$tokens" 1
check "and no registration" counts register "$registered" 0
check "all clients are revoked" control revoke-clients
check "and their tokens" control revoke-tokens
check "a new report has an answer all the same" heals 150 "$path?start=2026-02&end=2026-04"
check "by one registration" counts register "$registered" 1

section "Refresh, many at once"
fresh_token_secret() {
    local name
    emulated secretsmanager create-secret --name "$stack/burst-token" >/dev/null || return
    name=$(output RefreshFunction)
    emulated lambda get-function-configuration --function-name "$name" --query Environment --output json >"$work/environment.json" || return
    python3 - "$work/environment.json" "$stack/burst-token" <<'PY'
import json, sys
d = json.load(open(sys.argv[1]))
d["Variables"]["CMU_TOKEN_SECRET"] = sys.argv[2]
json.dump(d, open(sys.argv[1], "w"))
PY
    emulated lambda update-function-configuration --function-name "$name" --environment "file://$work/environment.json"
}
check "a token secret without a value" fresh_token_secret
tokens=$(count token)
check "refresh, 50 at once" burst RefreshFunction 50
cat "$work/check.out" | sed 's/^/      | /'
check "one token call" counts token "$tokens" 1
check "the secret is filled" filled "$stack/burst-token"
