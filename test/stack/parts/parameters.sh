# shellcheck shell=bash disable=SC2154
# A second stack, with the parameters that the first one leaves to their defaults. The emulated AWS keeps no policy of an API, no key of a table or
# a function, no time or mode of an integration, and has no CodeDeploy: those are seen in the template alone, by check_template.py and the linters.

section "The template with its other parameters"
other=$stack-other
with_parameters() {
    local certificate key
    certificate=$(emulated acm request-certificate --domain-name cmu.example.com --query CertificateArn --output text) || return
    key=$(emulated kms create-key --query KeyMetadata.Arn --output text) || return
    echo "$key" >"$work/kms.txt"
    AWS_ENDPOINT_URL=$emulator "$sam" deploy --template-file "$work/build/template.yaml" --stack-name "$other" --resolve-s3 \
        --no-confirm-changeset --tags team=reporting --parameter-overrides "Architecture=$arch" "AuthUrl=$sandbox" "ReportsUrl=$sandbox/cmu/v2" \
        ResponseMode=streaming QueryTimeout=300 DomainName=cmu.example.com "CertificateArn=$certificate" "KmsKeyArn=$key" \
        AllowedAddresses=198.51.100.0/24,203.0.113.0/24 AlarmEmail=ops@example.com GradualDeployment=true KeepSecrets=yes Tracing=Active \
        ReservedConcurrency=5 Archive=true ArchiveReports=tenant/year/month/day && return
    emulated cloudformation describe-stack-events --stack-name "$other" --output text \
        --query "StackEvents[?contains(ResourceStatus, 'FAILED')].[LogicalResourceId, ResourceStatusReason]"
    return 1
}
check "sam deploy" with_parameters
emulated cloudformation describe-stack-resources --stack-name "$other" --query 'StackResources[].[LogicalResourceId,ResourceType,PhysicalResourceId]' \
    --output text >"$work/resources.txt"
physical() { awk -v n="$1" '$1 == n { print $3 }' "$work/resources.txt"; }
stands() { # stands NAME...: the stack has these resources
    local name
    for name in "$@"; do [ -n "$(physical "$name")" ] || { echo "$name is not there"; cat "$work/resources.txt"; return 1; }; done
}
check "domain, topic, archive" stands Domain DomainMapping Alarms Archiver ArchiveBucket
under_key() { # secrets and logs name the key
    local key
    key=$(cat "$work/kms.txt")
    {
        emulated secretsmanager describe-secret --secret-id "$(physical AccessToken)" --query KmsKeyId
        emulated logs describe-log-groups --log-group-name-prefix "/aws/lambda/$other-query" --query 'logGroups[].kmsKeyId'
    } >"$work/key-uses.txt"
    cat "$work/key-uses.txt"
    [ "$(grep -cF "$key" "$work/key-uses.txt")" -eq 2 ]
}
check "secrets and logs have the key" under_key
streams() { # the function is told, and asked in that way
    emulated lambda get-function-configuration --function-name "$(physical Query)" --query '[Timeout,Environment.Variables.CMU_RESPONSE_MODE]' \
        --output text >"$work/streams.txt"
    emulated apigateway get-resources --rest-api-id "$(physical Api)" --embed methods --output json >"$work/definition.txt"
    cat "$work/streams.txt" "$work/definition.txt"
    grep -qE '^300\s+streaming$' "$work/streams.txt" && grep -q live/response-streaming-invocations "$work/definition.txt" &&
        ! grep -q 2015-03-31/functions "$work/definition.txt"
}
check "function and API stream" streams
mail() {
    emulated sns list-subscriptions-by-topic --topic-arn "$(physical Alarms)" >"$work/mail.txt"
    cat "$work/mail.txt"
    grep -q ops@example.com "$work/mail.txt"
}
check "the topic has the mail address" mail
delete_other() { AWS_ENDPOINT_URL=$emulator "$sam" delete --stack-name "$other" --no-prompts; }
check "sam delete" delete_other
kept() { emulated secretsmanager describe-secret --secret-id "$(physical ClientCredentials)" --query ARN && emulated s3api head-bucket --bucket "$(physical ArchiveBucket)"; }
check "secrets and archive stay" kept

# A third one, as the second one streams, which the emulated AWS cannot read, and the first one has the default. The status of its own refusals is the emulated AWS's own.
section "The key as password of HTTP Basic"
basic=$stack-basic
with_basic() {
    AWS_ENDPOINT_URL=$emulator "$sam" deploy --template-file "$work/build/template.yaml" --stack-name "$basic" --resolve-s3 \
        --no-confirm-changeset --parameter-overrides "Architecture=$arch" "AuthUrl=$sandbox" "ReportsUrl=$sandbox/cmu/v2" BasicAuth=true
}
check "sam deploy" with_basic
emulated cloudformation describe-stack-resources --stack-name "$basic" --query 'StackResources[].[LogicalResourceId,ResourceType,PhysicalResourceId]' \
    --output text >"$work/resources.txt"
emulated apigateway get-api-key --include-value --api-key "$(physical ApiApiKey)" --query value --output text >"$work/basic-key.txt"
basic_url=$emulator/restapis/$(physical Api)/live/_user_request_
basic_key=$(cat "$work/basic-key.txt")
asks() { # asks STATUS PATH CURL-OPTION...
    local want=$1 got path=$2
    shift 2
    got=$(curl -sS --max-time 60 -o "$work/body.txt" -w '%{http_code}' "$@" "$basic_url$path")
    echo "status $got, want $want"
    head -c 400 "$work/body.txt"
    [ "$got" = "$want" ]
}
check "the key in the header" asks 200 /openapi.json -H "x-api-key: $basic_key"
check "the key as password" asks 200 /openapi.json --user "anybody:$basic_key"
in_url() {
    local basic_url=${basic_url/:\/\//://anybody:$basic_key@}
    asks 200 /openapi.json
}
check "the same in the URL, as IMPORTDATA sends it" in_url
check "no key: 401" asks 401 /openapi.json
check "another scheme: 401" asks 401 /openapi.json -H "Authorization: Bearer $basic_key"
check "a wrong password: refused" asks 403 /openapi.json --user anybody:wrong
check "the key as user: 401" asks 401 /openapi.json --user "$basic_key:"
check "a wrong header beside it: refused" asks 403 /openapi.json -H 'x-api-key: wrong' --user "anybody:$basic_key"
check "the page needs none" asks 200 /
check "DELETE is not for keys" asks 403 /cmu/v2/year -X DELETE -H "x-api-key: $basic_key"
image=(-H 'Sec-Fetch-Site: cross-site' -H 'Sec-Fetch-Mode: no-cors' -H 'Sec-Fetch-Dest: image')
check "a page of another site has nothing asked" asks 403 /status --user "anybody:$basic_key" "${image[@]}"
check "it is the function that refuses" grep -q no_such_origin "$work/body.txt"
unseen() { # the function's log holds no key
    emulated logs filter-log-events --log-group-name "/aws/lambda/$basic-query" --query 'events[].message' --output text >"$work/lines.txt"
    grep -q event= "$work/lines.txt" && ! grep -qF -e "$basic_key" -e "$(printf %s "anybody:$basic_key" | base64 -w0)" "$work/lines.txt"
}
check "no key in the log" unseen
revoked() { emulated apigateway delete-api-key --api-key "$(physical ApiApiKey)" && asks 403 /openapi.json --user "anybody:$basic_key"; }
check "a key that is deleted: refused" revoked
delete_basic() { AWS_ENDPOINT_URL=$emulator "$sam" delete --stack-name "$basic" --no-prompts; }
check "sam delete" delete_basic
