"""Evaluates the alarms of the template over what a stack did in an hour: alarms.py TEMPLATE STACK

Every refresh and registration in the logs of the emulated AWS counts as one of a schedule's, five minutes after the last, in the order in
which they ran. Its own alarms ignore dimensions and missing data, so they are evaluated here, as CloudWatch documents it. None may
ring. Then the same alarms are shown what each of them is there for, and must ring.

Run by the interpreter that has the SAM CLI. The endpoint and the keys come from the environment."""
import json
import os
import re
import sys

import boto3
from samcli.yamlhelper import yaml_parse

TICK, HOUR = 300, 3600
template, stack = sys.argv[1:]
resources = yaml_parse(open(template).read())["Resources"]
filters = [r["Properties"] for r in resources.values() if r["Type"] == "AWS::Logs::MetricFilter"]
alarms = {name: r["Properties"] for name, r in resources.items() if r["Type"] == "AWS::CloudWatch::Alarm" and "Condition" not in r}


def fields(line):
    """The attributes of a log line, be it JSON or text."""
    if line.startswith("{"):
        return json.loads(line)
    pairs = re.findall(r'(\w+)=("(?:[^"\\]|\\.)*"|\S*)', line)
    out = {}
    for name, value in pairs:
        try:
            out[name] = json.loads(value)
        except ValueError:
            out[name] = value
    return out


def matches(pattern, line):
    """Whether a line matches a filter pattern of those kinds that the template has."""
    code = re.sub(r"\$\.(\w+) IS TRUE", r"(d.get('\1') is True)", pattern.strip("{ }"))
    code = re.sub(r"\$\.(\w+) = \*", r"('\1' in d)", code)
    code = re.sub(r"\$\.(\w+) (=|!=|>=) (\"[^\"]*\"|\d+)",
                  lambda m: f"('{m[1]}' in d and d['{m[1]}'] {m[2].replace('=', '==') if m[2] == '=' else m[2]} {m[3]})", code)
    return eval(code.replace("&&", "and").replace("||", "or"), {"d": line})


def logged(points, group, at, line):
    """Adds to points what the metric filters of a log group make of a line."""
    for f in filters:
        if f["LogGroupName"]["Ref"] == group and matches(f["FilterPattern"], line):
            for t in f["MetricTransformations"]:
                value = t["MetricValue"]
                points.setdefault(t["MetricName"], []).append((at, float(line[value[2:]] if value.startswith("$.") else value)))


def key(alarm):
    dimension = next((d["Value"] for d in alarm.get("Dimensions", [])[-1:]), None)
    name = alarm["MetricName"]
    return name if isinstance(alarm["Namespace"], dict) else name + " " + json.dumps(dimension)


def judged(alarm, points, now):
    """The state of an alarm at now, or None where it stays: CloudWatch User Guide, "Configuring how alarms treat missing data"."""
    period, n = alarm["Period"], alarm["EvaluationPeriods"]
    over = {"GreaterThanThreshold": lambda v: v > float(alarm["Threshold"]), "LessThanThreshold": lambda v: v < float(alarm["Threshold"])}
    stat = alarm.get("Statistic", "Maximum")  # of a percentile: no smaller
    statistic = {"Sum": sum, "Minimum": min, "Maximum": max, "Average": lambda v: sum(v) / len(v)}[stat]
    breaching = []
    for i in range(n):
        values = [v for at, v in points.get(key(alarm), []) if now - (i + 1) * period < at <= now - i * period]
        breaching.append(over[alarm["ComparisonOperator"]](statistic(values)) if values else None)
    if alarm["TreatMissingData"] == "notBreaching":
        breaching = [bool(b) for b in breaching]
    known = [b for b in breaching if b is not None]
    if not known:
        return "INSUFFICIENT_DATA" if alarm["TreatMissingData"] == "missing" else None
    if sum(known) >= alarm.get("DatapointsToAlarm", n):
        return "ALARM"
    return "OK"


def rings(points, until):
    """Which alarms told somebody of trouble until then, and when: by minutes."""
    told = {}
    for name, alarm in alarms.items():
        state = "INSUFFICIENT_DATA"
        for now in range(60, until + 1, 60):
            new = judged(alarm, points, now) or state
            actions = {"ALARM": "AlarmActions", "INSUFFICIENT_DATA": "InsufficientDataActions"}.get(new)
            if new != state and actions in alarm:
                told.setdefault(name, f"{new} after {now // 60} min")
            state = new
    return told


def ran(points, function, at, failed=False):
    for metric, value in (("Invocations", 1), ("Errors", int(failed))):
        points.setdefault(f'{metric} {json.dumps({"Ref": function})}', []).append((at, value))


def of_stack():
    """What the stack did, and how often it ran."""
    points, ticks = {}, 0
    logs = boto3.client("logs")
    for function in ("Refresh", "Register", "Query"):
        group = f"/aws/lambda/{stack}-{function.lower()}"
        events = []
        for stream in logs.describe_log_streams(logGroupName=group)["logStreams"]:
            events += logs.get_log_events(logGroupName=group, logStreamName=stream["logStreamName"], startFromHead=True)["events"]
        runs = 0
        for e in sorted(events, key=lambda e: e["timestamp"]):
            if e["message"].startswith("START "):
                runs += 1
                ran(points, function, runs * TICK)
            line = fields(e["message"])
            logged(points, function + "Logs", max(runs, 1) * TICK, line)
            if line.get("level") == "ERROR" and function != "Query":
                ran(points, function, runs * TICK, failed=True)
        ticks = max(ticks, runs) if function == "Refresh" else ticks
    queue = boto3.client("sqs")
    for url in queue.list_queues(QueueNamePrefix=stack).get("QueueUrls", []):
        n = queue.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]["ApproximateNumberOfMessages"]
        points[key(alarms["DeadLettersArrived"])] = [(at, float(n)) for at in range(TICK, HOUR + 1, TICK)]
    return points, ticks


def made_up():
    """For each alarm what it is there for. RefreshStopped has half an hour of ticks first, and then none."""
    every = range(TICK, HOUR + 1, TICK)
    for name, alarm in alarms.items():
        points = {}
        if name == "RefreshStopped":
            for at in range(TICK, HOUR // 2, TICK):
                ran(points, "Refresh", at)
        elif isinstance(alarm["Namespace"], dict):
            line = {"TokenRemaining": {"event": "token_kept", "token_remaining_percent": 10}, "Registrations": {"event": "registered"},
                    "Refusals": {"event": "invalid_client"}, "CalendarContradictions": {"event": "calendar_contradicted"},
                    "StoreFailures": {"event": "store_unavailable"}, "AdobeFailures": {"event": "adobe_called", "status": 503, "milliseconds": 9},
                    "AnswersIncomplete": {"event": "answered", "source": "adobe", "incomplete": True}}[alarm["MetricName"]]
            for at in every:
                for group in ("RefreshLogs", "RegisterLogs", "QueryLogs"):
                    for _ in range(3):
                        logged(points, group, at, line)
        else:
            points[key(alarm)] = [(at, float(alarm["Threshold"]) + 1) for at in every]
        yield name, points


points, ticks = of_stack()
print(f"{ticks} ticks; metrics: " + (", ".join(sorted(points)) or "none"))
rung = rings(points, HOUR)
for name, when in rung.items():
    print(f"rings: {name}, {when}")
deaf = []
for name, seen in made_up():
    # The day of RegisteredAgain ends with its hour here.
    when = rings(seen, HOUR + 1800).get(name)
    print(f"{name} rings when it should: {when}")
    if not when:
        deaf.append(name)
if ticks < 12:
    sys.exit(f"{ticks} ticks, want the 12 of an hour")
sys.exit(bool(rung or deaf))
