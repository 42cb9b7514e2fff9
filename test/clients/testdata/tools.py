"""Runs the snippets of docs/tools.md against the gateway at GATEWAY, and compares what they add up: tools.py TOOL..."""
import csv
import glob
import io
import os
import re
import subprocess
import sys
import urllib.request

GATEWAY, KEY, WORK = os.environ["GATEWAY"], os.environ["CMU_KEY"], os.environ["TOOLS_WORK"]
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))


def snippet(heading, language):
    """The block of code below a heading of the page, with the gateway's address and key."""
    with open(os.path.join(ROOT, "docs/tools.md")) as page:
        section = re.search(rf"^## {heading}\n(.*?)(?=^## |\Z)", page.read(), re.S | re.M)[1]
    code = re.search(rf"^```{language}\n(.*?)^```", section, re.S | re.M)[1]
    return re.sub(r"\bURL\b", GATEWAY, re.sub(r"\bKEY\b", KEY, code))


def wanted():
    request = urllib.request.Request(f"{GATEWAY}/cmu/v2/tenant/year/month/day/mvpd.csv?start=2026-10&end=2026-11", headers={"x-api-key": KEY})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return sum(int(row["started-sessions"]) for row in csv.DictReader(io.TextIOWrapper(answer, "utf-8", newline="")))


def run(file, code, *command, folder=WORK, cwd=None):
    path = os.path.join(folder, file)
    with open(path, "w") as f:
        f.write(code)
    done = subprocess.run([*command, path], capture_output=True, text=True, cwd=cwd or folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def pandas():
    names = {}
    exec(snippet("pandas", "python"), names)
    assert str(names["rows"]["date"].min())[:10] == "2026-10-01"
    return names["sessions"]


def polars():
    names = {}
    exec(snippet("polars", "python"), names)
    assert str(names["rows"]["date"].min()) == "2026-10-01"
    return names["sessions"]


def extension():
    import duckdb_extension_httpfs

    found, = glob.glob(os.path.dirname(duckdb_extension_httpfs.__file__) + "/extensions/**/*.duckdb_extension", recursive=True)
    return found


def duckdb():
    import duckdb

    with duckdb.connect() as c:
        # The extension is that of PyPI: its own server is not reached from everywhere.
        return c.execute(snippet("DuckDB", "sql").replace("INSTALL httpfs; LOAD httpfs;", f"LOAD '{extension()}';")).fetchone()[0]


def dbt():
    """As dbt-duckdb runs a model, in a database of its own with the secret of the profile."""
    import duckdb

    project = os.path.join(WORK, "dbt-project")
    os.makedirs(os.path.join(project, "models"), exist_ok=True)
    database = os.path.join(WORK, "dbt.duckdb")
    secret = "\n".join("      " + line for line in snippet("dbt", "yaml").splitlines())
    files = {
        "dbt_project.yml": "name: cmu\nprofile: cmu\nversion: '1.0'\nmodel-paths: [models]\nmodels: {+materialized: table}\n",
        "profiles.yml": f"cmu:\n  target: dev\n  outputs:\n    dev:\n      type: duckdb\n      path: '{database}'\n"
                        f"      settings: {{allow_extensions_metadata_mismatch: false}}\n{secret}\n      extensions: ['{extension()}']\n",
        "models/sessions.sql": snippet("dbt", "sql"),
    }
    for name, text in files.items():
        with open(os.path.join(project, name), "w") as f:
            f.write(text)
    if os.path.exists(database):
        os.remove(database)
    done = subprocess.run([os.path.join(os.path.dirname(sys.executable), "dbt"), "run", "--project-dir", project, "--profiles-dir", project],
                          capture_output=True, text=True, env={**os.environ, "DBT_SEND_ANONYMOUS_USAGE_STATS": "false"})
    assert done.returncode == 0, done.stdout + done.stderr
    with duckdb.connect(database) as c:
        return c.execute("SELECT sum(sessions) FROM sessions").fetchone()[0]


def powerquery():
    """Only its syntax can be told here."""
    checker = """
        import * as PQP from "@microsoft/powerquery-parser";
        import fs from "node:fs";
        const { TaskUtils, DefaultSettings } = PQP.default ?? PQP;
        const parse = (text) => TaskUtils.tryLexParse(DefaultSettings, text);
        const good = await parse(fs.readFileSync("query.pq", "utf8")), bad = await parse("let a = in a");
        if (TaskUtils.isError(good)) throw good.error;
        if (!TaskUtils.isError(bad)) throw new Error("the parser takes anything");
    """
    folder = os.environ["TOOLS_NODE"]
    with open(os.path.join(folder, "query.pq"), "w") as f:
        f.write(snippet("Excel and Power BI", "powerquery"))
    run("check.mjs", checker, "node", folder=folder)
    return None


def node():
    return run("sessions.mjs", snippet("Node", "javascript"), "node")


def java():
    return run("Sessions.java", snippet("Java", "java"), "java")


def go():
    return run("sessions.go", snippet("Go", "go"), "go", "run", cwd=ROOT)


def basic():
    """What curl gets by the password alone."""
    rows = subprocess.run(["bash", "-c", snippet("HTTP Basic alone", "sh")], capture_output=True, text=True, check=True).stdout
    return sum(int(row["started-sessions"]) for row in csv.DictReader(io.StringIO(rows)))


want = wanted()
assert want > 0
for tool in sys.argv[1:]:
    got = globals()[tool]()
    assert got is None or int(got) == want, f"{tool}: {got}, want {want}"
    print(f"{tool}: {got or 'can be parsed'}")
