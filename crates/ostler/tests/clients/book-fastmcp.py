"""The same with fastmcp."""

import asyncio
import json
import sys

from fastmcp import Client
from fastmcp.client.elicitation import ElicitResult
from fastmcp.client.transports import StdioTransport

turn = asyncio.Lock()


def told(kind, value):
    print(json.dumps({kind: value}), flush=True)


async def asked(message):
    async with turn:
        told("asked", message)
        await asyncio.to_thread(sys.stdin.readline)


async def elicit(message, response_type, params, context):
    await asked(message)
    flight = params.requested_schema["properties"].get("flight")
    content = {"flight": flight["oneOf"][1]["const"]} if flight else {"seat": "window", "meal": True}
    return ElicitResult(action="accept", content=content)


async def sample(messages, params, context):
    await asked(messages[0].content.text)
    return "the old town"


async def main(target, era):
    server = target if target.startswith("http:") else StdioTransport(command=target, args=["stdio"])
    mode = {"2026": "auto", "2025": "legacy"}[era]
    async with Client(server, mode=mode, elicitation_handler=elicit, sampling_handler=sample) as client:
        told("spoken", client.session.protocol_version)
        trip = {"from": "Berlin", "to": "Rome", "date": "2026-12-24"}
        result = await client.call_tool("book_flight", trip)
        told("booked", result.structured_content)


asyncio.run(main(*sys.argv[1:]))
