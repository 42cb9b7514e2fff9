"""Has the archive function run once a month for 26 months, and writes what it must hold then: archive.py WORK SANDBOX ARCHIVE EMULATOR

SANDBOX and ARCHIVE are built by clock.sh: their clock is that of the file WORK/clock. The function runs as Lambda has it run, against a
stand-in of the Runtime API, with table, secret and bucket of the emulated AWS at EMULATOR. Its way to S3 leads through a door that can
break a write off. On the way Adobe restates a day, a run is killed in the middle of a write, two run at once, and Adobe drops its oldest
month 26 times. WORK/report.csv gets the rows that Adobe gave of each month as long as it had it; engines.py compares."""
import csv
import datetime
import email.utils
import http.client
import http.server
import io
import json
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request

import boto3

work, sandbox_binary, function, emulator = pathlib.Path(sys.argv[1]), *sys.argv[2:]
BUCKET, REPORT, MONTHS, KEPT = "moved", "tenant/year/month/day/mvpd", 26, 25
clock = work / "clock"
aws = {"region_name": "us-east-1", "endpoint_url": emulator, "aws_access_key_id": "test", "aws_secret_access_key": "test"}
s3 = boto3.client("s3", **aws)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        """Who was killed leaves connections behind."""


class Quiet(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def reply(self, status, headers=(), body=b""):
        self.send_response(status)
        for name, value in headers:
            if name.lower() not in ("content-length", "transfer-encoding", "connection", "date", "server"):
                self.send_header(name, value)
        if self.command != "HEAD":
            self.send_header("Content-Length", str(len(body)))
        else:
            self.send_header("Content-Length", dict(headers).get("Content-Length", "0"))
        self.end_headers()
        self.wfile.write(body if self.command != "HEAD" else b"")

    def body(self):
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            text = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                text += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return text
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))


class Door(Quiet):
    """The way to the emulated S3. deaths: after how many writes of months the writer is killed in the middle of one; None: never."""
    deaths, victim = None, None

    def forward(self):
        if self.command == "PUT" and self.path.split("?")[0].endswith(".parquet") and Door.deaths is not None:
            Door.deaths -= 1
            if Door.deaths < 0:
                Door.deaths = None
                self.rfile.read(int(self.headers["Content-Length"]) // 2)
                Door.victim.send_signal(signal.SIGKILL)
                self.close_connection = True
                return
        body = self.body()
        to = http.client.HTTPConnection(urllib.parse.urlparse(emulator).netloc, timeout=60)
        headers = {k: v for k, v in self.headers.items() if k.lower() not in ("transfer-encoding", "content-length", "connection", "expect")}
        to.request(self.command, self.path, body=body, headers=headers)
        answer = to.getresponse()
        self.reply(answer.status, answer.getheaders(), answer.read())
        to.close()

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = forward


def serve(handler):
    server = Server(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"127.0.0.1:{server.server_port}", server


def environ(**more):
    """Of the functions and the sandbox: nothing of this process's but the way to programs."""
    return {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), "CLOCK_FILE": str(clock), **more}


class Run:
    """One run of the function, as Lambda has it run."""

    def __init__(self):
        answered, given = threading.Event(), []

        class Runtime(Quiet):
            def do_GET(self):
                if given:
                    answered.wait()
                    return
                given.append(True)
                self.reply(200, [("Lambda-Runtime-Aws-Request-Id", "1"), ("Lambda-Runtime-Deadline-Ms", "32503680000000")], b"{}")

            def do_POST(self):
                self.server.answer = self.path.rsplit("/", 1)[1], json.loads(self.body() or b"null")
                self.reply(202)
                answered.set()

        address, self.server = serve(Runtime)
        self.server.answer, self.answered = None, answered
        self.log = open(work / "function.log", "ab")
        self.process = subprocess.Popen([function], stdout=self.log, stderr=self.log, env=environ(
            AWS_LAMBDA_RUNTIME_API=address, AWS_REGION="us-east-1", AWS_ACCESS_KEY_ID="test", AWS_SECRET_ACCESS_KEY="test",
            AWS_ENDPOINT_URL=emulator, AWS_ENDPOINT_URL_S3=f"http://{door}", CMU_TABLE=BUCKET, CMU_TOKEN_SECRET=f"{BUCKET}/token",
            CMU_REPORTS_URL=f"{adobe}/cmu/v2", CMU_ARCHIVE=f"s3://{BUCKET}", CMU_WARM=f"{REPORT}?last=35d"))

    def result(self, killed=False):
        end = time.monotonic() + 120
        while not self.answered.wait(0.05) and self.process.poll() is None and time.monotonic() < end:
            pass
        self.process.kill()
        self.process.wait()
        self.server.shutdown()
        if killed:
            assert self.server.answer is None, f"it was to be killed: {self.server.answer}"
            return None
        assert self.server.answer, "the function gave no answer"
        what, answer = self.server.answer
        assert what == "response" and not answer.get("problems") and not answer["left"], (what, answer)
        return answer


def run():
    return Run().result()


def post(path, body, headers=()):
    request = urllib.request.Request(adobe + path, body, dict(headers))
    with urllib.request.urlopen(request) as answer:
        return json.loads(answer.read() or b"null")


def files():
    """The months that are archived, each with its version."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix="v1/")
    found = {}
    for o in (o for page in pages for o in page.get("Contents", [])):
        parts = o["Key"].split("/")
        if parts[-1] == "rows.parquet":
            found[int(parts[2].split("=")[1]), int(parts[3].split("=")[1])] = o["ETag"]
    return found


def month(of, ahead):
    """The month so many after that of a moment."""
    n = of.year * 12 + of.month - 1 + ahead
    return n // 12, n % 12 + 1


def given(now):
    """What Adobe gives of each month that it still has in whole: the rows of the report."""
    first = month(now, 1 - KEPT)
    window = urllib.parse.urlencode({"start": f"{first[0]}-{first[1]:02}-01", "limit": 1000000})
    request = urllib.request.Request(f"{adobe}/cmu/v2/{REPORT}?{window}", headers={"Authorization": f"Bearer {token}", "Accept": "text/csv"})
    months = {}
    with urllib.request.urlopen(request) as answer:
        for row in csv.DictReader(io.TextIOWrapper(answer, "utf-8-sig")):
            months.setdefault((int(row["year"]), int(row["month"])), []).append(row)
    return months


# An hour and a half past one of Adobe's recomputations, so that none comes in the middle of a run; on a day that every month has.
real = datetime.datetime.now(datetime.timezone.utc)
next_month = month(real, 1)
start = real.replace(year=next_month[0], month=next_month[1], day=20, hour=1, minute=30, second=0, microsecond=0)


def move(ahead):
    """Sets the clock to the same day of the month so many months after the first, and returns it."""
    y, m = month(start, ahead)
    then = start.replace(year=y, month=m)
    new = work / "clock.new"
    new.write_text(str(int((then - datetime.datetime.now(datetime.timezone.utc)).total_seconds())))
    new.replace(clock)
    while adobe and there() < then:
        time.sleep(0.02)
    return then


def there():
    """What the sandbox takes for now."""
    with urllib.request.urlopen(f"{adobe}/_sandbox/stats") as answer:
        return email.utils.parsedate_to_datetime(answer.headers["Date"]) + datetime.timedelta(seconds=1)


adobe = None
move(0)
listening = subprocess.Popen([sandbox_binary, "sandbox", "--listen", "127.0.0.1:0", "--latency", "0s", "--behaviour",
                              json.dumps({"token_life_seconds": 10 * 366 * 86400, "no_throttle": True})],
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environ())
try:
    for line in listening.stdout:
        if "CMU_AUTH_URL=" in line:
            adobe = line.split("CMU_AUTH_URL=")[1].split()[0]
            break
    threading.Thread(target=listening.stdout.read, daemon=True).start()
    with urllib.request.urlopen(f"{adobe}/_sandbox/statement") as answer:
        statement = answer.read().decode().strip()
    client = post("/o/client/register", json.dumps({"software_statement": statement}).encode(), {"Content-Type": "application/json"}.items())
    form = urllib.parse.urlencode({"grant_type": "client_credentials", "client_id": client["client_id"], "client_secret": client["client_secret"]})
    token = post(f"/o/client/token?{form}", b"")["access_token"]

    s3.create_bucket(Bucket=BUCKET)
    boto3.client("dynamodb", **aws).create_table(
        TableName=BUCKET, BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": n, "AttributeType": "S"} for n in ("pk", "sk")],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}])
    stamp, life = "%Y-%m-%dT%H:%M:%SZ", 10 * 366 * 86400
    boto3.client("secretsmanager", **aws).create_secret(Name=f"{BUCKET}/token", SecretString=json.dumps({
        "version": 1, "access_token": token, "client_id": client["client_id"], "issued_at": start.strftime(stamp), "obtained_at": start.strftime(stamp),
        "expires_at": (start + datetime.timedelta(seconds=life)).strftime(stamp), "life_seconds": life}))
    door, _ = serve(Door)

    truth, written, forever = {}, 0, {}
    for n in range(MONTHS + 1):
        now = move(n)
        restated = month(now, -1)
        if n == 3:
            before = files()[restated]
            patch = urllib.request.Request(f"{adobe}/_sandbox/behaviour", json.dumps({"restatements": [
                {"day": f"{restated[0]}-{restated[1]:02}-10", "version": 1}]}).encode(), method="PATCH")
            urllib.request.urlopen(patch).read()
        if n == 0:
            Door.deaths = 3
            first = Run()
            Door.victim = first.process
            first.result(killed=True)
            assert len(files()) == 3, f"{len(files())} months after the crash"
            result = run()
            assert result["written"] == KEPT - 3, result
        elif n == 5:
            both = [Run(), Run()]
            result, other = [r.result() for r in both]
            result["written"] += other["written"]
        else:
            result = run()
        written += result["written"]
        if n == 3:
            assert files()[restated] != before, "a month that was restated is as it was"
        truth.update(given(now))
        forever.update({m: tag for m, tag in files().items() if m <= month(now, -KEPT)})
    have = files()
    assert len(have) == KEPT + MONTHS, f"{len(have)} months"
    assert len(forever) == MONTHS and all(have[m] == tag for m, tag in forever.items()), "what Adobe has dropped has changed"
    with open(work / "report.csv", "w", newline="") as f:
        out = csv.DictWriter(f, ["year", "month", "mvpd", "started-sessions"], extrasaction="ignore")
        out.writeheader()
        out.writerows(row for m in sorted(truth) for row in truth[m])
    with urllib.request.urlopen(f"{adobe}/_sandbox/stats") as answer:
        asked = json.loads(answer.read())["report"] - MONTHS - 1
    rows = sum(map(len, truth.values()))
    size = sum(o["Size"] for page in s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix="v1/") for o in page.get("Contents", []))
    print(f"{MONTHS + 3} runs over {MONTHS} months: {len(have)} months, {rows} rows, {size / rows:.1f} bytes a row, {written} writes, {asked} calls to Adobe")
finally:
    listening.kill()
    listening.wait()
