# shellcheck shell=bash disable=SC2154
# The functions in Docker, by sam local.

section "sam local in Docker"
foreign=
docker_engine() {
    if ! docker info >/dev/null 2>&1; then
        start dockerd dockerd
        until_ok 60 docker info || { tail -n 20 "$work/dockerd.log"; return 1; }
    fi
    engine=yes
    foreign=$(docker ps -aq | tr '\n' ' ')
}

# stand_in makes an image of what a static Go function needs of the real one: a shell, the CA certificates, the entry point.
stand_in() {
    local fs=$work/image
    rm -rf "$fs"
    mkdir -p "$fs"/{bin,etc/ssl/certs,tmp,var/task,var/runtime,usr/bin,opt,proc,sys,dev}
    chmod 1777 "$fs/tmp"
    cp /bin/busybox "$fs/bin/busybox"
    for applet in sh cat cp env id ls mkdir mv chmod rm sleep; do ln -s busybox "$fs/bin/$applet"; done
    cp -L /etc/ssl/certs/ca-certificates.crt "$fs/etc/ssl/certs/"
    echo 'root:x:0:0:root:/root:/bin/sh' >"$fs/etc/passwd"
    printf '#!/bin/sh\nexec /var/task/bootstrap "$@"\n' >"$fs/lambda-entrypoint.sh"
    chmod 755 "$fs/lambda-entrypoint.sh"
    tar -C "$fs" -c . | docker import -c 'ENTRYPOINT ["/lambda-entrypoint.sh"]' -c 'WORKDIR /var/task' \
        -c 'ENV PATH=/usr/bin:/bin LAMBDA_TASK_ROOT=/var/task LAMBDA_RUNTIME_DIR=/var/runtime TZ=:UTC' - "$image-$arch" &&
        docker tag "$image-$arch" "$image"
}

base_image() {
    docker image inspect "$image-$arch" >/dev/null 2>&1 && return 0
    timeout 120 docker pull -q "$image-$arch" && return 0
    stand_in
}

local_parts() { # the table and the secrets of events/env.json
    AWS_ENDPOINT_URL=$dynamodb "$aws" dynamodb create-table --table-name cmu-gateway --billing-mode PAY_PER_REQUEST \
        --attribute-definitions AttributeName=pk,AttributeType=S AttributeName=sk,AttributeType=S \
        --key-schema AttributeName=pk,KeyType=HASH AttributeName=sk,KeyType=RANGE &&
        emulated secretsmanager create-secret --name cmu-gateway/statement --secret-string "file://$work/statement.txt" &&
        emulated secretsmanager create-secret --name cmu-gateway/credentials &&
        emulated secretsmanager create-secret --name cmu-gateway/token &&
        sed -e "/DYNAMODB/ s/:4566\"/:$dynamodb_port\"/; s/:4566\"/:$emulator_port\"/; s/:8090/:$sandbox_port/" \
            events/env.json >"$work/env.json"
}

invoke() { # invoke FUNCTION EVENT: the answer to .work/answer.json, the log to standard error
    "$sam" local invoke "$1" --template "$work/build/template.yaml" --event "events/$2" --env-vars "$work/env.json" \
        --parameter-overrides "Architecture=$arch" --skip-pull-image --add-host "host.docker.internal:$bridge" >"$work/answer.json" || return
    cat "$work/answer.json"
    ! grep -q '"errorMessage"' "$work/answer.json"
}

# report EVENT STATUS TYPE TEXT: the event's answer has the status, the media type, and the text in its body
report() {
    invoke Query "$1" && python3 - "$work/answer.json" "$2" "$3" "$4" <<'PY'
import base64, gzip, json, sys
answer = json.load(open(sys.argv[1]))
headers = {k.lower(): v for k, v in (answer.get("headers") or {}).items()}
headers.update({k.lower(): v[-1] for k, v in (answer.get("multiValueHeaders") or {}).items()})
body = answer.get("body") or ""
if answer.get("isBase64Encoded"):
    body = base64.b64decode(body)
    if headers.get("content-encoding") == "gzip":
        body = gzip.decompress(body)
    body = body.decode()
print(answer["statusCode"], headers, body[:300])
assert answer["statusCode"] == int(sys.argv[2]), "status"
assert headers["content-type"].startswith(sys.argv[3]), "media type"
assert sys.argv[4] in body, "body"
PY
}

if check "a Docker engine answers" docker_engine && check "image $image-$arch" base_image; then
    if [ "$(docker image inspect -f '{{json .RepoDigests}}' "$image-$arch")" = '[]' ]; then
        echo "      a stand-in runs: the real image is not to be had here"
    else
        echo "      the real image runs"
    fi
    bridge=$(docker network inspect bridge -f '{{(index .IPAM.Config 0).Gateway}}')
    [ -n "$bridge" ] || bridge=172.17.0.1
    start forward python3 "$here/forward.py" "$bridge" "$dynamodb_port" "$emulator_port" "$sandbox_port"
    check "a table and three secrets" local_parts
    registered=$(count register) tokens=$(count token)
    check "register, dry run" invoke Register register-dry-run.json
    check "the dry run asked Adobe nothing" counts register "$registered" 0
    check "register" invoke Register register.json
    check "register again" invoke Register register.json
    check "one registration" counts register "$registered" 1
    check "refresh" invoke Refresh refresh.json
    check "refresh again" invoke Refresh refresh.json
    check "one token" counts token "$tokens" 1
    check "register by force" invoke Register register-force.json
    check "a second registration" counts register "$registered" 2
    check "report as JSON" report query.json 200 application/ '"report"'
    check "report as CSV" report query-csv.json 200 text/csv tenant
    check "report with filters" report query-filter.json 200 application/ '"report"'
    check "report, HEAD" report query-head.json 200 application/ ''
    check "status" report status.json 200 application/ '{'
fi
