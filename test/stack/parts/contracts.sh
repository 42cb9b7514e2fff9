# shellcheck shell=bash disable=SC2154
# The Go contracts on real parts, and the tools of other people.

section "Contracts on DynamoDB Local and the emulated Secrets Manager"
contracts() {
    local files packages tests # those that only a real part can keep
    files=$(grep -rl '^//go:build stack' --include='*_test.go' --exclude-dir=explorer internal cmd) # that is the part browser
    [ -n "$files" ] || { echo "no test has the build tag stack"; return 1; }
    packages=$(echo "$files" | xargs -n 1 dirname | sort -u | sed 's|^|./|')
    tests=$(echo "$files" | xargs sed -n 's/^func \(Test[A-Za-z0-9_]*\)(.*/\1/p' | paste -sd '|')
    # shellcheck disable=SC2086
    CMU_TEST_DYNAMODB=$dynamodb CMU_TEST_SECRETS_MANAGER=$emulator go test -tags stack -count=1 -v -run "^($tests)\$" $packages
}
check "store, secrets, access" contracts
grep -E '^(--- |ok|FAIL)' "$work/check.out" | sed 's/^/      /'

section "Tools of other people, on this machine"
check "generated clients, polars, curl" "$root/test/clients/run"
sed 's/^/      | /' "$work/check.out"
