"""Checks who may do what in the template, as the SAM translator expands it: check_template.py TEMPLATE

Run by the interpreter that has the SAM CLI."""
import json
import os
import sys

from samcli.yamlhelper import yaml_parse
from samtranslator.translator.transform import transform

os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")

SECRETS = {"SoftwareStatement", "ClientCredentials", "AccessToken"}
READ, WRITE = "secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue"
LEADING_KEYS = ["v1#access", "v1#lease", "v1#note"]


class Managed:
    def load(self):
        return {}


def expanded(**parameters):
    """The resources of the template with these parameters."""
    with open(sys.argv[1]) as f:
        template = yaml_parse(f.read())
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["CodeUri"] = "s3://bucket/key"
    return transform(template, parameters, Managed())["Resources"]


resources = expanded()


def as_list(value):
    return value if isinstance(value, list) else [value]


def statements(function, effect="Allow"):
    """The statements of a function's role that allow something, or deny it."""
    for policy in resources[function + "Role"]["Properties"]["Policies"]:
        for statement in as_list(policy["PolicyDocument"]["Statement"]):
            statement = statement.get("Fn::If", [None, statement])[1]
            if statement["Effect"] == effect:
                yield statement


def named(node):
    """The resources that a value refers to."""
    if isinstance(node, dict):
        if "Ref" in node:
            return {node["Ref"]}
        if "Fn::GetAtt" in node:
            return {as_list(node["Fn::GetAtt"])[0].split(".")[0]}
        return set().union(*map(named, node.values()))
    if isinstance(node, list):
        return set().union(*map(named, node))
    return set()


def secrets_of(function):
    """What a role may do with which secret."""
    may = {}
    for s in statements(function):
        for secret in named(s["Resource"]) & SECRETS:
            may.setdefault(secret, set()).update(as_list(s["Action"]))
    return may


def actions(function, service):
    return {a for s in statements(function) for a in as_list(s["Action"]) if a.startswith(service + ":")}


failed = []


def expect(what, got, want):
    if got != want:
        failed.append(f"{what}: got {got}, want {want}")


expect("secrets of query", secrets_of("Query"), {"AccessToken": {READ}})
expect("secrets of archive", secrets_of("Archiver"), {"AccessToken": {READ}})
expect("secrets of refresh", secrets_of("Refresh"), {"ClientCredentials": {READ}, "AccessToken": {READ, WRITE}})
expect("secrets of register", secrets_of("Register"), {"SoftwareStatement": {READ}, "ClientCredentials": {READ, WRITE}})

for function, callee in (("Query", "refresh"), ("Archiver", "refresh"), ("Refresh", "register"), ("Register", "refresh")):
    variables = named(resources[function]["Properties"]["Environment"])
    expect(f"secrets named to {function}", variables & SECRETS, set(secrets_of(function)))
    invoked = [json.dumps(s["Resource"]) for s in statements(function) if "lambda:InvokeFunction" in as_list(s["Action"])]
    expect(f"functions that {function} may invoke", [i.endswith(f'-{callee}"}}') for i in invoked], [True])
    for s in statements(function):
        if any("*" in a for a in as_list(s["Action"])) or any(r == "*" for r in as_list(s["Resource"])):
            failed.append(f"{function} has a wildcard: {s}")
        uses_table = any(a.startswith("dynamodb:") for a in as_list(s["Action"]))
        if uses_table:
            expect(f"table of {function}", named(s["Resource"]), {"Table"})
        if uses_table and function not in ("Query", "Archiver"):
            condition = s.get("Condition", {})
            expect(f"partitions of {function}",
                   condition.get("ForAllValues:StringEquals", {}).get("dynamodb:LeadingKeys"), LEADING_KEYS)
            expect(f"calls of {function} without a key",
                   condition.get("Null", {}).get("dynamodb:LeadingKeys"), "false")
    calls = {"Query", "PutItem", "DeleteItem"} | {"Query": {"BatchWriteItem", "DescribeTable"}, "Archiver": {"BatchWriteItem"}}.get(function, set())
    expect(f"calls of {function} to the table", actions(function, "dynamodb"), {"dynamodb:" + c for c in calls})
    logs = resources[function]["Properties"]["LoggingConfig"]
    expect(f"log format of {function}", logs["LogFormat"], "JSON")
    expect(f"retention of {function}", "RetentionInDays" in resources[logs["LogGroup"]["Ref"]]["Properties"], True)

expect("calls of archive to the bucket", actions("Archiver", "s3"), {"s3:ListBucket", "s3:GetObject", "s3:PutObject"})
bucket = resources["ArchiveBucket"]
expect("what becomes of the archive", (bucket["DeletionPolicy"], bucket["UpdateReplacePolicy"]), ("Retain", "Retain"))
expect("versions of the archive", bucket["Properties"]["VersioningConfiguration"], {"Status": "Enabled"})
expect("public access to the archive", set(bucket["Properties"]["PublicAccessBlockConfiguration"].values()), {True})
expect("encryption of the archive", "BucketEncryption" in bucket["Properties"], True)

for function in ("Query", "Archiver"):
    expect(f"writes of access that {function} is denied",
           [(set(s["Action"]), s["Condition"]) for s in statements(function, "Deny") if s.get("Condition")],
           [({"dynamodb:" + c for c in ("PutItem", "DeleteItem", "BatchWriteItem")},
             {"ForAnyValue:StringEquals": {"dynamodb:LeadingKeys": ["v1#access"]}})])

# Nobody may make a log group but CloudFormation: one that a late line made would stand in the next stack's way.
for name, role in resources.items():
    if role["Type"] != "AWS::IAM::Role" or not any("Lambda" in str(m) for m in role["Properties"].get("ManagedPolicyArns", [])):
        continue
    denies = [s for s in statements(name.removesuffix("Role"), "Deny") if not s.get("Condition")]
    expect(f"what {name} is denied everywhere", [(s["Action"], s["Resource"]) for s in denies], [("logs:CreateLogGroup", "*")])
    expect(f"managed policies of {name}", [str(m).rsplit("/", 1)[1].rstrip("'}") for m in role["Properties"]["ManagedPolicyArns"]],
           ["AWSLambdaBasicExecutionRole"])
    expect(f"boundary of {name}", "PermissionsBoundary" in role["Properties"], True)

# Refresh is superseded by its next tick, and the dead letters of register hold no statement.
expect("dead letters", sorted(name for name, r in resources.items() if "DeadLetters" in named(r["Properties"]) and "Alarm" not in r["Type"]),
       ["ArchiverDaily", "ArchiverDailyRole", "ArchiverEventInvokeConfig", "ArchiverRole", "RegisterEventInvokeConfig", "RegisterRole"])

# What is kept warm: one more role may run query, and is there with Warm alone. Nobody else is let in by the functions themselves.
expect("what Warm adds", sorted(name for name, r in resources.items() if r.get("Condition") == "HasWarm"), ["WarmUp", "WarmUpRole"])
expect("what the schedule may do", [(s["Action"], str(s["Resource"]).endswith("-query:live'}")) for p in resources["WarmUpRole"]["Properties"]["Policies"]
                                    for s in p["PolicyDocument"]["Statement"]], [("lambda:InvokeFunction", True)])
expect("whom functions let in", {r["Properties"]["Principal"] for r in resources.values() if r["Type"] == "AWS::Lambda::Permission"},
       {"apigateway.amazonaws.com"})

KEYED = {"Fn::If": ["HasBasicAuth", [{"basic": []}, {"api_key": []}], [{"api_key": []}]]}
ANY, OPEN = "x-amazon-apigateway-any-method", {"/": {"get", "options"}, "/assets/{proxy+}": {"get"}, "/{proxy+}": {"options"}}
paths = resources["Api"]["Properties"]["Body"]["paths"]
expect("paths", set(paths), set(OPEN))
for path, methods in paths.items():
    for method, operation in methods.items():
        want = [] if method in OPEN[path] else [{"sigv4": []}] if method == "delete" else KEYED
        expect(f"who may {method} {path}", operation.get("security"), want)
    if path != "/assets/{proxy+}":
        expect(f"methods of {path}", set(methods), {ANY, "delete"} | OPEN[path])
expect("who signs", resources["Api"]["Properties"]["Body"]["components"]["securitySchemes"]["sigv4"],
       {"type": "apiKey", "name": "Authorization", "in": "header", "x-amazon-apigateway-authtype": "awsSigv4"})

# With BasicAuth the query function is asked for the key of each request, by that API alone, and caches nothing that another caller could get.
body = resources["Api"]["Properties"]["Body"]
expect("where the key comes from", body["x-amazon-apigateway-api-key-source"], {"Fn::If": ["HasBasicAuth", "AUTHORIZER", "HEADER"]})
condition, basic, without = body["components"]["securitySchemes"]["basic"]["Fn::If"]
authorizer = basic["x-amazon-apigateway-authorizer"]
expect("authorizer without BasicAuth", (condition, without), ("HasBasicAuth", {"Ref": "AWS::NoValue"}))
expect("kind of the authorizer", (authorizer["type"], authorizer["authorizerResultTtlInSeconds"], set(authorizer)),
       ("request", 0, {"type", "authorizerUri", "authorizerResultTtlInSeconds"}))
uri, names = authorizer["authorizerUri"]["Fn::Sub"]
expect("who authorizes", (uri.split(":lambda:")[1], names), ("path/2015-03-31/functions/${Alias}/invocations", {"Alias": {"Ref": "QueryAliaslive"}}))
may = resources["MayAskQuery"]["Properties"]
expect("who may ask query", (may["FunctionName"], may["SourceArn"]["Fn::Sub"].split(":execute-api:")[1]),
       ({"Ref": "QueryAliaslive"}, "${AWS::Region}:${AWS::AccountId}:${Api}/*"))
for kind, status in {"INVALID_API_KEY": {"Fn::If": ["HasBasicAuth", "401", "403"]}, "UNAUTHORIZED": "401"}.items():
    answer = body["x-amazon-apigateway-gateway-responses"][kind]
    expect(f"status of {kind}", answer["statusCode"], status)
    expect(f"challenge of {kind}", "Basic realm=" in str(answer["responseParameters"]["gatewayresponse.header.WWW-Authenticate"]), True)
expect("answers of the API itself", "THROTTLED" in body["x-amazon-apigateway-gateway-responses"], True)
expect("setting of the function", resources["Query"]["Properties"]["Environment"]["Variables"]["CMU_BASIC_AUTH"], {"Ref": "BasicAuth"})

settings = {(m["ResourcePath"], m["HttpMethod"]): (m["ThrottlingRateLimit"], m["ThrottlingBurstLimit"]) for r in resources.values() if r["Type"] == "AWS::ApiGateway::Stage"
            for m in r["Properties"]["MethodSettings"]}
for path, limits in {"/": (5, 10), "/~1assets~1{proxy+}": (10, 100)}.items():
    expect(f"requests a second without a key to {path}, and at once", settings.get((path, "GET")), limits)
policy = resources["Api"]["Properties"]["Body"]["x-amazon-apigateway-policy"]["Statement"]
allowed = [r for s in policy if s["Effect"] == "Allow" for r in as_list(s["Resource"])]
expect("methods that the API's own policy lets everybody use", [r for r in map(str, allowed) if "DELETE" in r or "/*/*" in r], [])

# How answers go out: function and API must be told the same, and the stage is deployed anew when that changes.
def integrations(resources):
    for methods in resources["Api"]["Properties"]["Body"]["paths"].values():
        for operation in methods.values():
            yield operation["x-amazon-apigateway-integration"]


for i in integrations(resources):
    (condition, streaming, buffered), names = i["uri"]["Fn::If"], [{"Ref": "QueryAliaslive"}]
    expect("condition of the integration", condition, "Streams")
    expect("integrations", [u["Fn::Sub"][0].split(":lambda:")[1] for u in (streaming, buffered)],
           ["path/2021-11-15/functions/${Alias}/response-streaming-invocations", "path/2015-03-31/functions/${Alias}/invocations"])
    expect("what is asked", [list(u["Fn::Sub"][1].values()) for u in (streaming, buffered)], [names, names])
    expect("transfer", i["responseTransferMode"], {"Fn::If": ["Streams", "STREAM", "BUFFERED"]})
    expect("time of the integration", i["timeoutInMillis"], {"Fn::If": ["Streams", 900000, 29000]})
with open(sys.argv[1]) as f:
    expect("always deployed", yaml_parse(f.read())["Resources"]["Api"]["Properties"].get("AlwaysDeploy"), True)
expect("mode of the function", resources["Query"]["Properties"]["Environment"]["Variables"]["CMU_RESPONSE_MODE"], {"Ref": "ResponseMode"})

# With GradualDeployment the alias moves by CodeDeploy, which goes back when the alarm rings.
expect("alias", resources["QueryAliaslive"].get("UpdatePolicy"), None)
gradual = expanded(GradualDeployment="true")
expect("gradual", set(gradual["QueryAliaslive"]["UpdatePolicy"]), {"CodeDeployLambdaAliasUpdate"})
expect("what it goes back by", named(gradual["QueryDeploymentGroup"]["Properties"]["AlarmConfiguration"]), {"QueryErrors"})
expect("traces", "TracingConfig" in resources["Query"]["Properties"], False)

if failed:
    sys.exit("\n".join(failed))
print("query reads the access token alone, refresh the credentials, register the statement; no wildcard")
