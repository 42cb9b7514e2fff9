# shellcheck shell=bash disable=SC2154
# The explorer in a browser, through the emulated API Gateway.

section "The explorer in a browser, through the emulated API Gateway"
chromium() {
    command -v chromium || command -v chromium-browser || command -v google-chrome && return
    local root=
    [ "$(id -u)" -eq 0 ] || root="sudo -E"
    again $root apt-get update -qq && again $root apt-get install -y -qq --no-install-recommends chromium
}
limits() { # of what needs no key, as the stage has them: requests a second, and at once
    emulated apigateway get-stage --rest-api-id "$(cat "$work/api.txt")" --stage-name live --query methodSettings --output json >"$work/stage.json" || return
    python3 - "$work/stage.json" <<'PY'
import json, sys
settings = json.load(open(sys.argv[1]))
got = {key: (s["throttlingRateLimit"], s["throttlingBurstLimit"]) for key, s in settings.items()}
print(got)
page, assets = (next(v for k, v in got.items() if k.replace("~1", "/").lstrip("/") == want) for want in ("GET", "assets/{proxy+}/GET"))
sys.exit((page, assets) != ((5, 10), (10, 100)))
PY
}
browser() {
    EXPLORER_URL=$api EXPLORER_KEY=$work/key.txt EXPLORER_BROWSER=required go test -tags stack -count=1 -v -run '^TestDeployed' ./internal/explorer
}
check "the stage's own limits for the page and its files" limits
check "Chromium" chromium
check "the page, its key, a report, no purge" browser
grep -E '^ *(--- |ok|FAIL)' "$work/check.out" | sed 's/^/      /'
