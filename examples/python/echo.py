#!/usr/bin/env python3
"""A bot that answers everyone with their own words: python3 echo.py [--profile bot]. Make its account with wheesht register first."""
import collections, itertools, json, os, subprocess, sys

program = [os.environ.get("WHEESHT", "wheesht"), *sys.argv[1:], "rpc"]
rpc = subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8", bufsize=1)
events, ids = collections.deque(), itertools.count(1)

def call(method, **params):
    call_id = next(ids)
    print(json.dumps({"jsonrpc": "2.0", "id": call_id, "method": method, "params": params}), file=rpc.stdin, flush=True)
    for line in rpc.stdout:
        said = json.loads(line)
        if said.get("id") == call_id:
            return said["result"]  # A KeyError here shows the error that came instead.
        events.append(said["params"])
    sys.exit("wheesht has ended")

call("subscribe")
while True:
    event = events.popleft() if events else json.loads(rpc.stdout.readline() or sys.exit("wheesht has ended"))["params"]
    if event["type"] == "contact" and event["contact"]["state"] == "request_received":
        call("accept_contact", who=event["contact"]["id"])
    if event["type"] == "message" and not event["message"]["outgoing"] and event["message"]["body"]["type"] == "text":
        call("send", to=event["message"]["sender"], text="You said: " + event["message"]["body"]["text"])
    if event["id"] is not None:
        call("ack", id=event["id"])  # Only now: if this program dies before, the event comes again.
