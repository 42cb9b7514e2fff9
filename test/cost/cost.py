"""Reckons what a deployment costs, from the template as SAM expands it, the prices and what was measured: cost.py [--check]

Prints docs/cost.md. With --check it fails when that file says something else, or the idle month costs more than LIMIT."""
import json
import os
import pathlib
import sys

os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")

from cfnlint.decode import cfn_yaml
from samtranslator.translator.transform import transform

LIMIT = 3.00
HOURS = 730
ROWS_GB = 0.1
here = pathlib.Path(__file__).parent
root = here.parent.parent
price = json.loads((here / "prices.json").read_text())
measured = json.loads((here / "measured.json").read_text())


class Managed:
    def load(self):
        return {}


template = json.loads(json.dumps(cfn_yaml.load(str(root / "template.yaml")), default=str))
for resource in template["Resources"].values():
    if resource["Type"] == "AWS::Serverless::Function":
        resource["Properties"]["CodeUri"] = "s3://bucket/key"
defaults = {name: p.get("Default") for name, p in template["Parameters"].items()}
resources = transform(template, {}, Managed())["Resources"]


def stands(resource):
    """Whether a resource is there with the parameters' defaults: those of the conditions that the template has."""
    condition = template["Conditions"].get(resource.get("Condition"))
    if condition is None:
        return True
    negated = condition.get("Fn::Not", [condition])[0]
    name, value = negated["Fn::Equals"]
    return (str(defaults[name["Ref"]]) == str(value)) != ("Fn::Not" in condition)


def of(kind):
    return {name: r["Properties"] for name, r in resources.items() if r["Type"] == kind and stands(r)}


def lambda_run(function, milliseconds):
    gb = of("AWS::Lambda::Function")[function]["MemorySize"] / 1024
    return price["lambda_request"] + milliseconds / 1000 * gb * price["lambda_gb_second"]


def log(size):
    return size / 1e9 * (price["log_gb"] + price["log_stored_gb_month"])


def traced():
    return price["trace"] if defaults["Tracing"] == "Active" else 0


schedule = next(iter(of("AWS::Scheduler::Schedule").values()))["ScheduleExpression"]
minutes = int(schedule.removeprefix("rate(").split()[0])
ticks = HOURS * 60 / minutes
alarms = sum(len(a.get("Metrics", [0])) for a in of("AWS::CloudWatch::Alarm").values())
secrets = len(of("AWS::SecretsManager::Secret"))
# Idle, the refresh function alone logs: a metric is billed for the hours in which it counts.
idle_metrics = [f for f in of("AWS::Logs::MetricFilter").values() if "token_remaining_percent" in f["FilterPattern"]]
own_key = defaults["KmsKeyArn"] != ""

idle = [
    (f"{secrets} secrets", secrets * price["secret_month"]),
    (f"{alarms} alarms, of one metric each", alarms * price["alarm_month"]),
    (f"{len(idle_metrics)} metric that counts while nobody asks: the life of the token", len(idle_metrics) * price["metric_month"]),
    (f"{ticks:,.0f} refreshes, one in {minutes} min: functions", ticks * (lambda_run("Refresh", measured["refresh_milliseconds"]) + traced())),
    ("the same: two secrets read by each, unless its process has them", ticks * 2 * price["secret_call"]),
    ("the same: table, schedule, log", ticks * (measured["notes_read_units"] * price["read_unit"] + price["schedule_call"]
                                               + log(measured["token_kept_bytes"]))),
    (f"{len(of('AWS::CloudWatch::Dashboard'))} dashboard, as one of the first three of an account", price["dashboard_month"]),
    (f"{ROWS_GB} GB of report rows in the table", ROWS_GB * price["table_gb_month"]),
]
total = sum(cost for _, cost in idle)

kinds = [("from memory", "memory_hit", 0), ("from the table: 52 days by day", "store_hit", 0),
         ("from the table: a year by day and MVPD", "store_hit_year", 0), ("from Adobe: 52 days by day", "miss", 1),
         ("from Adobe: a year by day and MVPD", "miss_year", 1)]


def million(kind, calls):
    api = price["api_request"] + traced()
    run = lambda_run("Query", measured[kind + "_milliseconds"])
    table = measured[kind + "_read_units"] * price["read_unit"] + measured[kind + "_write_units"] * price["write_unit"]
    lines = log(measured["answered_bytes"] + calls * measured["adobe_called_bytes"])
    out = measured["answer_bytes"] / 1e9 * price["transfer_gb"]
    return [1e6 * c for c in (api, run, table, lines, out)]


def warm_up(calls, rows):
    """A month of rounds, one in so many minutes as the schedule says, with calls for a report that is a year by day and MVPD."""
    schedule = resources["WarmUp"]["Properties"]["ScheduleExpression"]
    rounds = HOURS * 60 / int(schedule.removeprefix("rate(").split()[0])
    asked = HOURS * 60 / calls
    looks = rounds * (lambda_run("Query", measured["store_hit_year_milliseconds"]) + measured["store_hit_year_read_units"] * price["read_unit"]
                      + price["schedule_call"] + traced())
    fetches = asked * (lambda_run("Query", measured["miss_milliseconds"])
                       + (measured["store_hit_year_read_units"] * 2 + measured["miss_read_units"]) * price["read_unit"]
                       + rows * price["write_unit"] + log(measured["adobe_called_bytes"] + measured["answered_bytes"]))
    return looks, fetches


warmed = "".join(f"| {name} | {looks:.2f} | {fetches:.2f} | {looks + fetches:.2f} |\n" for name, (looks, fetches) in (
    ("by day, asked for every 45 min", warm_up(45, measured["miss_year_write_units"] / 12)),
    ("by hour, every 15 min", warm_up(15, measured["miss_year_write_units"] / 12)),
))

rows = "\n".join(f"| {name} | {cost:.2f} |" for name, cost in idle)
table = ""
for name, kind, calls in kinds:
    parts = million(kind, calls)
    table += f"| {name} | " + " | ".join(f"{p:.2f}" for p in parts) + f" | {sum(parts):.2f} |\n"
year = measured["store_hit_year_read_units"]
text = f"""# Cost

`make cost` prints this page: from the template as SAM expands it with the parameters' defaults, from the prices in `test/cost/prices.json`
({price["as_of"]}), and from what was measured, in `test/cost/measured.json`. `make lint` fails when the page says something else, or when the
idle month costs more than {LIMIT:.2f}. Nobody has compared it with a bill yet.

## A month in which nobody asks

| what | dollars |
|---|---|
{rows}
| **together** | **{total:.2f}** |

{ROWS_GB} GB is some {ROWS_GB * 1e6 / measured["miss_year_write_units"]:.0f} reports of a year by day and MVPD; each further GB is {price["table_gb_month"]:.2f}. The free tier of an account takes off more: ten alarms, ten metrics, the first 5 GB of logs.

## A million answers

| answered | API | function | table | log | transfer | together |
|---|---|---|---|---|---|---|
{table}
An answer is taken to be {measured["answer_bytes"] // 1000} kB, compressed. While reports are asked for, up to six more metrics count, for {price["metric_month"]:.2f} a month each.

## What is kept warm

By default nothing is. `Warm` adds a schedule and its role; a report on the list of the size of a year by day and MVPD adds, in a month:

| report | looks | calls | together |
|---|---|---|---|
{warmed}
Looks are reckoned as if each of a process that has just begun. One that has looked before holds the rows in memory and reads nothing. A call
writes the block that changed. Reports that are archived from the same list are not asked for twice.

## What was left out, and what each would cost

| what | would cost |
|---|---|
| traces (`Tracing`) | {price["trace"] * 1e6:.2f} for a million that are taken: more than the API asks for the requests |
| the key as password of HTTP Basic (`BasicAuth`) | {1e6 * (lambda_run("Query", measured["authorize_milliseconds"]) + traced()):.2f} for a million requests: the query function names the key of each, and nothing of it is cached |
| streaming (`ResponseMode`) | nothing for answers up to 6 MB. Past that {price["stream_gb"]:.3f} for each GB, and API Gateway counts a request for each 10 MB begun |
| detailed metrics of API Gateway | {price["metric_month"]:.2f} for each method and metric; no alarm and no dashboard uses them |
| a KMS key of your own (`KmsKeyArn`) | 1.00 a month, and 3.00 for a million uses |
| strongly consistent reads of all blocks | twice the read units. The look under a lease, and whatever is read soon after a purge, is one |
| one alarm of three metrics on all throttles | three alarms' price; a refresh that is throttled ends up in `RefreshStopped` |

## Many at once

A year by day and MVPD is {year:.0f} read units, and one partition of the table bears 3,000 a second. So {3000 / year:.0f} processes that each read that year for the first
time within the same second fill it. What then? Reads that are refused are repeated within the three seconds that a request has for the
table; what does not come in that time is asked of Adobe once, under a lease, while the others wait for its rows. A process holds what it
has read in memory, so such a storm takes as many processes that begin together, not as many requests; `ReservedConcurrency` bounds those. The alarm
`StoreUnavailable` tells of it.
"""
if "--check" not in sys.argv:
    print(text, end="")
    sys.exit()
if total > LIMIT:
    sys.exit(f"the idle month costs {total:.2f}, more than {LIMIT:.2f}")
if (root / "docs/cost.md").read_text() != text:
    sys.exit("docs/cost.md is not what make cost prints")
print(f"cost: {total:.2f} dollars for the idle month, at most {LIMIT:.2f}")
