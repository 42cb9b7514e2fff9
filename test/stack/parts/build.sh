# shellcheck shell=bash disable=SC2154
# The template and the build.

section "Template and build"
check "sam validate --lint" "$sam" validate --lint
check "least privilege" "$work/sam/bin/python" "$here/check_template.py" template.yaml

build() {
    rm -rf "$work/build"
    CGO_ENABLED=0 GOFLAGS=$flags "$sam" build --parameter-overrides "Architecture=$arch" --build-dir "$work/build"
}
need "sam build" build
for f in Register Refresh Query; do
    printf '      %-8s %5.2f MB\n' "$f" "$(stat -c %s "$work/build/$f/bootstrap" | awk '{ print $1 / 1e6 }')"
done

lean() { # static, without net/rpc, without paths of this machine, without symbols
    local f want
    for f in Register Refresh Query; do
        go version -m "$work/build/$f/bootstrap" >"$work/version.txt" || return
        for want in CGO_ENABLED=0 -tags=lambda.norpc -trimpath=true; do
            grep -qF -- "$want" "$work/version.txt" || { echo "$f is not built with $want"; cat "$work/version.txt"; return 1; }
        done
        case $(go tool nm "$work/build/$f/bootstrap" 2>&1) in
        *'no symbols'*) ;;
        *) echo "$f has symbols" && return 1 ;;
        esac
    done
}
check "the binaries are static, stripped and without net/rpc" lean
