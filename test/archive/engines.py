"""Runs the snippets of docs/archive.md as they stand, and compares their sums with those of the report: engines.py ENGINE..."""
import csv
import datetime
import glob
import json
import os
import re
import subprocess
import sys
import time
import urllib.request

WORK, PORT = os.environ["ARCHIVE_WORK"], os.environ["ARCHIVE_PORT"]
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
REPORT = "report=tenant_year_month_day_mvpd"
S3 = f"http://127.0.0.1:{PORT}/"
# The archive's bucket and prefix, and how many months it holds.
PLACE, MONTHS = os.environ.get("ARCHIVE_PLACE", "reports/of/acme"), int(os.environ.get("ARCHIVE_MONTHS", "25"))


def snippet(heading, language):
    """The block of code below a heading of the page."""
    with open(os.path.join(ROOT, "docs/archive.md")) as page:
        section = re.search(rf"^### {heading}\n(.*?)(?=^##|\Z)", page.read(), re.S | re.M)[1]
    return re.search(rf"^```{language}\n(.*?)^```", section, re.S | re.M)[1]


def wanted():
    sums = {}
    with open(os.path.join(WORK, "report.csv"), newline="") as f:
        for row in csv.DictReader(f):
            key = int(row["year"]), int(row["month"]), row["mvpd"]
            sums[key] = sums.get(key, 0) + int(row["started-sessions"])
    assert len({k[:2] for k in sums}) == MONTHS, len({k[:2] for k in sums})
    return sums


def of_rows(rows):
    return {(int(y), int(m), mvpd): int(n) for y, m, mvpd, n in rows}


def statements(sql):
    """The statements of a text for DuckDB's command line."""
    for line in sql.splitlines():
        if line.startswith(".read "):
            with open(line.removeprefix(".read ")) as f:
                yield f.read()
    yield "\n".join(line for line in sql.splitlines() if not line.startswith("."))


def duckdb():
    import duckdb

    with duckdb.connect() as c:
        for sql in statements(snippet("DuckDB", "sql")):
            answer = c.execute(sql)
        rows = answer.fetchall()
        kinds = {name: kind for name, kind, *_ in c.execute("DESCRIBE cmu_tenant_year_month_day_mvpd").fetchall()}
        assert (kinds["date"], kinds["year"], kinds["started_sessions"], kinds["mvpd"]) == ("DATE", "INTEGER", "BIGINT", "VARCHAR"), kinds
        footer = dict(c.execute(f"SELECT decode(key), decode(value) FROM parquet_kv_metadata('archive/v1/{REPORT}/*/*/rows.parquet')").fetchall())
        assert footer["cmu.simulated"] == footer["cmu.complete"] == "true" and footer["cmu.licence"], footer
    return of_rows(rows)


def bucket():
    import duckdb
    import duckdb_extension_httpfs

    extension, = glob.glob(os.path.dirname(duckdb_extension_httpfs.__file__) + "/extensions/**/*.duckdb_extension", recursive=True)
    with duckdb.connect() as c:
        c.execute(f"LOAD '{extension}'")
        c.execute(f"CREATE SECRET (TYPE s3, KEY_ID 'test', SECRET 'test', REGION 'us-east-1', ENDPOINT '127.0.0.1:{PORT}', URL_STYLE 'path', USE_SSL false)")
        c.execute(c.execute(f"SELECT content FROM read_text('s3://{PLACE}/v1/{REPORT}/_duckdb.sql')").fetchone()[0])
        question = "\n".join(line for line in snippet("DuckDB", "sql").splitlines() if not line.startswith("."))
        return of_rows(c.execute(question).fetchall())


def aws(target, **body):
    request = urllib.request.Request(S3, json.dumps(body).encode(), {
        "X-Amz-Target": target, "Content-Type": "application/x-amz-json-1.1",
        "Authorization": "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/athena/aws4_request, SignedHeaders=host, Signature=x",
    })
    with urllib.request.urlopen(request) as answer:
        return json.loads(answer.read() or b"{}")


def athena():
    """By the emulated Athena: the statement makes a table in its catalog, and the query finds the rows."""
    def query(sql):
        started = aws("AmazonAthena.StartQueryExecution", QueryString=sql, QueryExecutionContext={"Database": "cmu"},
                      ResultConfiguration={"OutputLocation": f"s3://{PLACE.split('/')[0]}/athena/"})["QueryExecutionId"]
        for _ in range(100):
            status = aws("AmazonAthena.GetQueryExecution", QueryExecutionId=started)["QueryExecution"]["Status"]
            if status["State"] in ("SUCCEEDED", "FAILED"):
                break
            time.sleep(0.1)
        assert status["State"] == "SUCCEEDED", status
        rows, token = [], {}
        while True:
            page = aws("AmazonAthena.GetQueryResults", QueryExecutionId=started, **token)
            rows += [[v.get("VarCharValue") for v in r["Data"]] for r in page["ResultSet"]["Rows"]]
            if not page.get("NextToken"):
                return rows
            token = {"NextToken": page["NextToken"]}

    aws("AWSGlue.CreateDatabase", DatabaseInput={"Name": "cmu"})
    with urllib.request.urlopen(f"{S3}{PLACE}/v1/{REPORT}/_athena.sql") as sql:
        query(sql.read().decode())
    return of_rows(query(snippet("Athena", "sql"))[1:])


def pandas():
    names = {}
    exec(snippet("pandas", "python"), names)
    date = names["pd"].read_parquet(f"archive/v1/{REPORT}")["date"].max()
    assert isinstance(date, datetime.date), type(date)
    return of_rows((*key, n) for key, n in names["sessions"].items())


def pyarrow():
    names = {}
    exec(snippet("pyarrow", "python"), names)
    return of_rows((r["year"], r["month"], r["mvpd"], r["started_sessions_sum"]) for r in names["sessions"].to_pylist())


def polars():
    names = {}
    exec(snippet("polars", "python"), names)
    return of_rows(names["sessions"].iter_rows())


def spark():
    from pyspark.sql import SparkSession

    session = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    names = {"spark": session}
    exec(snippet("Spark", "python"), names)
    rows = [tuple(r) for r in names["sessions"].collect()]
    session.stop()
    return of_rows(rows)


def dbt():
    import duckdb

    project = os.path.join(WORK, "dbt-project")
    os.makedirs(os.path.join(project, "models"), exist_ok=True)
    database = os.path.join(WORK, "dbt.duckdb")
    files = {
        "dbt_project.yml": "name: cmu\nprofile: cmu\nversion: '1.0'\nmodel-paths: [models]\n",
        "profiles.yml": f"cmu:\n  target: dev\n  outputs:\n    dev: {{type: duckdb, path: '{database}'}}\n",
        "models/sources.yml": "version: 2\n" + snippet("dbt", "yaml"),
        "models/sessions.sql": "SELECT year, month, mvpd, sum(started_sessions) AS sessions\n"
                               "FROM {{ source('cmu', 'tenant_year_month_day_mvpd') }} GROUP BY ALL\n",
    }
    for name, text in files.items():
        with open(os.path.join(project, name), "w") as f:
            f.write(text)
    if os.path.exists(database):
        os.remove(database)
    environ = {**os.environ, "DBT_SEND_ANONYMOUS_USAGE_STATS": "false"}
    done = subprocess.run([os.path.join(os.path.dirname(sys.executable), "dbt"), "run", "--project-dir", project, "--profiles-dir", project],
                          capture_output=True, text=True, env=environ)
    assert done.returncode == 0, done.stdout + done.stderr
    with duckdb.connect(database) as c:
        return of_rows(c.execute("SELECT year, month, mvpd, sessions FROM sessions").fetchall())


os.chdir(WORK)
want = wanted()
for engine in sys.argv[1:]:
    begun = time.monotonic()
    got = globals()[engine]()
    assert got == want, f"{engine}: {len(got)} sums, want {len(want)}: {sorted(set(got.items()) ^ set(want.items()))[:4]}"
    print(f"ok    {engine}: {len(got)} sums are the report's ({time.monotonic() - begun:.1f} s)")
