# shellcheck shell=bash disable=SC2154
# The stack as sam deploy lays it onto an emulated AWS, and its first hour.

section "sam deploy onto an emulated AWS"
deploy() {
    AWS_ENDPOINT_URL=$emulator "$sam" deploy --template-file "$work/build/template.yaml" --stack-name "$stack" --resolve-s3 \
        --no-confirm-changeset --parameter-overrides "Architecture=$arch" "AuthUrl=$sandbox" "ReportsUrl=$sandbox/cmu/v2" \
        AllowedOrigins=https://dashboards.example && return
    emulated cloudformation describe-stack-events --stack-name "$stack" --output text \
        --query "StackEvents[?contains(ResourceStatus, 'FAILED')].[LogicalResourceId, ResourceStatusReason]"
    return 1
}
need "sam deploy" deploy
emulated cloudformation describe-stacks --stack-name "$stack" --query 'Stacks[0].Outputs' --output json >"$work/outputs.json"
output() { value "$work/outputs.json" "{o['OutputKey']: o['OutputValue'] for o in d}['$1']"; }
emulated cloudformation describe-stack-resources --stack-name "$stack" --logical-resource-id Api \
    --query 'StackResources[0].PhysicalResourceId' --output text >"$work/api.txt"
api=$emulator/restapis/$(cat "$work/api.txt")/live/_user_request_
emulated apigateway get-api-key --include-value --api-key "$(output ApiKeyId)" --query value --output text >"$work/key.txt"

has_output() { [ -n "$(output "$1")" ]; }
for o in ApiUrl ApiKeyId QueryFunction RefreshFunction RegisterFunction TableName SoftwareStatementSecret; do
    check "output $o" has_output "$o"
done

put_statement() {
    emulated secretsmanager put-secret-value --secret-id "$(output SoftwareStatementSecret)" --secret-string "file://$work/statement.txt"
}
burst() { # burst OUTPUT COUNT: so many invocations of a function at once
    AWS_ENDPOINT_URL=$emulator "$work/emulator/bin/python" "$here/burst.py" "$(output "$1")" "$2"
}
filled() { emulated secretsmanager get-secret-value --secret-id "$1" --query VersionId; } # fails where there is no value

section "A first deployment, before the statement is there"
direct() { # direct OUTPUT PAYLOAD TEXT: the function's answer holds the text, and it has not failed
    emulated lambda invoke --function-name "$(output "$1")" --payload "$2" "$work/direct.json" >"$work/direct.txt"
    cat "$work/direct.txt" "$work/direct.json"
    ! grep -q FunctionError "$work/direct.txt" && grep -q -- "$3" "$work/direct.json"
}
hour() { for _ in $(seq 12); do burst RefreshFunction 1 || return; done; }
alarms() { AWS_ENDPOINT_URL=$emulator "$work/sam/bin/python" "$here/alarms.py" "$root/template.yaml" "$stack"; }
check "register without a statement ends well" direct RegisterFunction '{}' 'no software statement yet'
check "an hour of ticks ends well" hour
check "no alarm rings" alarms
sed 's/^/      | /' "$work/check.out"
check "an event with a statement is refused" direct RegisterFunction '{"statement": "eyJ"}' 'put it into its secret'
no_dead_letters() {
    AWS_ENDPOINT_URL=$emulator "$work/emulator/bin/python" - "$(output DeadLetterQueue)" <<'PY'
import sys, boto3
n = boto3.client("sqs").get_queue_attributes(QueueUrl=sys.argv[1], AttributeNames=["All"])["Attributes"]["ApproximateNumberOfMessages"]
print(n, "messages")
sys.exit(n != "0")
PY
}
check "there are no dead letters" no_dead_letters

section "The statement"
check "the statement is put into its secret" put_statement
registered=$(count register) tokens=$(count token)
check "register, 50 at once" burst RegisterFunction 50
cat "$work/check.out" | sed 's/^/      | /'
check "one registration" counts register "$registered" 1
check "a token follows by itself" until_ok 30 filled "$(output AccessTokenSecret)"
check "one token" counts token "$tokens" 1
check "refresh keeps it" burst RefreshFunction 1
check "still one token" counts token "$tokens" 1
