#!/usr/bin/python3
"""redis-py counts at one node for as long as its input is open. Started by rolling_restart_test.py.

The only thing that is asked of the library is to try again where a connection was lost.
"""

import argparse
import json
import select
import sys

import redis
from redis.backoff import ConstantBackoff
from redis.exceptions import BusyLoadingError
from redis.exceptions import ConnectionError as LostConnection
from redis.retry import Retry


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--key", required=True)
    options = parser.parse_args()
    client = redis.Redis(
        host="127.0.0.1",
        port=options.port,
        retry=Retry(ConstantBackoff(0.02), 2000),
        retry_on_error=[LostConnection, BusyLoadingError],
    )
    answered = 0
    errors = []
    while not select.select([sys.stdin], [], [], 0)[0]:
        try:
            client.incr(options.key)
            answered += 1
        except Exception as error:  # pylint: disable=broad-except
            errors.append(f"{type(error).__name__}: {error}")
    print(json.dumps({"answered": answered, "errors": errors, "repeated": 0}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
