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
