"""A client by openapi-python-client makes a filtered call."""
import collections
import os

from cmu_gateway_client import Client
from cmu_gateway_client.api.reports import get_report
from cmu_gateway_client.api.service import get_status
from cmu_gateway_client.models import GetReportFilters, Problem

client = Client(base_url=os.environ["GATEWAY"], headers={"x-api-key": os.environ["CMU_KEY"]}, raise_on_unexpected_status=True)


def rows(**query):
    report = get_report.sync("year/month/mvpd", client=client, start="2026-01", end="2026-03", **query)
    return collections.Counter(row["mvpd"] for row in report.report)


some = rows(mvpd=["Comcast_SSO", "Cox"])
assert some == {"Comcast_SSO": 2, "Cox": 2}, some
others = rows(filters=GetReportFilters.from_dict({"mvpd!": "Cox"}))
assert len(others) > 1 and "Cox" not in others, others
refused = get_report.sync("year/nonsense", client=client)
assert isinstance(refused, Problem) and refused.code == "refused_by_adobe", refused
assert get_status.sync(client=client).service == "cmu-gateway"
