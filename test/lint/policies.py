"""Runs parliament over the policies of all roles that SAM makes of a template: policies.py TEMPLATE"""
import json
import os
import re
import sys

os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")

from cfnlint.decode import cfn_yaml
from parliament import analyze_policy_string, enhance_finding
from samtranslator.translator.transform import transform

VALUES = {"AWS::Partition": "aws", "AWS::Region": "us-east-1", "AWS::AccountId": "123456789012", "AWS::StackName": "cmu-gateway"}
ARNS = {
    "AWS::SecretsManager::Secret": "arn:aws:secretsmanager:us-east-1:123456789012:secret:x-123456",
    "AWS::DynamoDB::Table": "arn:aws:dynamodb:us-east-1:123456789012:table/x",
    "AWS::S3::Bucket": "arn:aws:s3:::x",
    "AWS::SQS::Queue": "arn:aws:sqs:us-east-1:123456789012:x",
    "AWS::Serverless::Function": "arn:aws:lambda:us-east-1:123456789012:function:x",
    "AWS::Lambda::Function": "arn:aws:lambda:us-east-1:123456789012:function:x",
}
KEY = "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555"


class Managed:
    def load(self):
        return {}


template = json.loads(json.dumps(cfn_yaml.load(sys.argv[1]), default=str))
kinds = {name: r["Type"] for name, r in template["Resources"].items()}
for resource in template["Resources"].values():
    if resource["Type"] == "AWS::Serverless::Function":
        resource["Properties"]["CodeUri"] = "s3://bucket/key"
resources = transform(template, {}, Managed())["Resources"]
kinds |= {name: r["Type"] for name, r in resources.items()}


def plain(node):
    """A value as CloudFormation would make it, with every condition true."""
    if isinstance(node, list):
        return [plain(n) for n in node]
    if not isinstance(node, dict):
        return node
    if "Ref" in node:
        return VALUES.get(node["Ref"]) or ARNS.get(kinds.get(node["Ref"])) or KEY
    if "Fn::GetAtt" in node:
        name = node["Fn::GetAtt"]
        return ARNS[kinds[name[0] if isinstance(name, list) else name.split(".")[0]]]
    if "Fn::If" in node:
        return plain(node["Fn::If"][1])
    if "Fn::Sub" in node:
        text = node["Fn::Sub"]
        for name, value in VALUES.items():
            text = text.replace("${%s}" % name, value)
        return re.sub(r"\$\{(\w+)\.Arn\}", lambda m: ARNS[kinds[m[1]]], text)
    return {k: plain(v) for k, v in node.items()}


checked, found = 0, []
for name, role in resources.items():
    if role["Type"] != "AWS::IAM::Role":
        continue
    for policy in role["Properties"].get("Policies", []):
        checked += 1
        for finding in analyze_policy_string(json.dumps(plain(policy["PolicyDocument"]))).findings:
            finding = enhance_finding(finding)
            # SAM writes some policies by itself, and leaves the version out of them.
            if finding.severity != "MUTED" and finding.issue != "NO_VERSION":
                found.append(f"{name}: {finding.severity} {finding.title}: {finding.detail} {finding.location}")
if found or not checked:
    sys.exit("\n".join(found) or "there are no policies")
print(f"parliament: nothing found in {checked} policies")
