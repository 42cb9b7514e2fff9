"""polars reads by itself, in ranges, what the gateway sends."""
import io
import os
import urllib.request

import polars as pl

base = os.environ["GATEWAY"] + "/cmu/v2/"
window = "?start=2026-01&end=2026-03"
for path in ("year/month/day", "year/month/day/hour/mvpd"):  # a small one, and one of some MB
    url = base + path + ".csv" + window
    body = urllib.request.urlopen(url, timeout=60).read()
    want = pl.read_csv(io.BytesIO(body))
    got = pl.scan_csv(url).collect()
    assert got.equals(want), (url, got.shape, want.shape)
    lines = pl.scan_ndjson(base + path + ".ndjson" + window).collect()
    assert lines.height == want.height, (lines.shape, want.shape)
    assert lines["started-sessions"].sum() == want["started-sessions"].sum(), lines.schema
    few = pl.scan_csv(url).select("month").head(3).collect()
    assert few.height == 3, few
    read = pl.read_csv(url)
    assert read.equals(want), (url, read.shape, want.shape)
    print(path, len(body), "bytes,", want.height, "rows")
