"""Invokes a function many times at once and prints how it went: burst.py FUNCTION COUNT

Fails if any invocation did. The endpoint and the keys come from the environment."""
import concurrent.futures
import sys
import threading

import boto3
from botocore.config import Config

function, count = sys.argv[1], int(sys.argv[2])
client = boto3.client("lambda", config=Config(max_pool_connections=count, read_timeout=120, retries={"max_attempts": 0}))
together = threading.Barrier(count)


def invoke(_):
    together.wait()
    answer = client.invoke(FunctionName=function, Payload=b"{}")
    body = answer["Payload"].read().decode()
    return answer.get("FunctionError"), body


with concurrent.futures.ThreadPoolExecutor(count) as pool:
    answers = list(pool.map(invoke, range(count)))
for body in sorted({body for _, body in answers}):
    print(sum(b == body for _, b in answers), "x", body[:300])
sys.exit(any(error for error, _ in answers))
