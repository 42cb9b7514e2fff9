# shellcheck shell=bash disable=SC2154
# What the rest needs and the machine lacks, into .work.

packages() {
    local want=()
    command -v dockerd >/dev/null || want+=(docker.io)
    command -v iptables >/dev/null || want+=(iptables)
    [ -x /bin/busybox ] || want+=(busybox-static)
    command -v curl >/dev/null || want+=(curl)
    command -v mvn >/dev/null || want+=(maven)
    command -v javac >/dev/null || want+=(default-jdk-headless)
    python3 -c 'import ensurepip, venv' 2>/dev/null || want+=(python3-venv)
    [ ${#want[@]} -eq 0 ] && return 0
    local root=
    [ "$(id -u)" -eq 0 ] || root="sudo -E"
    again $root apt-get update -qq && again $root apt-get install -y -qq --no-install-recommends "${want[@]}"
}

venv() { # venv NAME PACKAGE...: kept until the packages change, or the folder's place, which is in its scripts
    local dir=$work/$1
    shift
    [ "$(cat "$dir/installed" 2>/dev/null)" = "$dir $*" ] && return 0
    rm -rf "$dir"
    python3 -m venv "$dir" && again "$dir/bin/pip" install -q "$@" && echo "$dir $*" >"$dir/installed"
}

dynamodb_local() {
    [ -e "$work/dynamodb/installed" ] && return 0
    again mvn -q -B -f "$here/pom.xml" dependency:copy-dependencies -DoutputDirectory="$work/dynamodb" && touch "$work/dynamodb/installed"
}

tools() { # side by side: most of the time is spent waiting for a registry
    venv sam 'aws-sam-cli==1.170.*' & local a=$!
    (venv emulator ministack==1.5.33 aws-sam-translator==1.115.0 duckdb==1.5.5 duckdb-extension-httpfs==1.5.5 && venv aws 'awscli==1.*') & local b=$!
    dynamodb_local & local c=$!
    wait $a && wait $b && wait $c
}

mkdir -p "$work"
section "Tools"
need "Debian packages" packages
need "sam, aws, emulator, DynamoDB Local" tools
sam=$work/sam/bin/sam
aws=$work/aws/bin/aws
"$sam" --version
"$aws" --version
go version

read -r dynamodb_port emulator_port sandbox_port < <(python3 - <<'PY'
import socket
held = [socket.socket() for _ in range(3)]
for s in held:
    s.bind(("127.0.0.1", 0))
print(*(s.getsockname()[1] for s in held))
PY
)
dynamodb=http://127.0.0.1:$dynamodb_port
emulator=http://127.0.0.1:$emulator_port
sandbox=http://127.0.0.1:$sandbox_port
