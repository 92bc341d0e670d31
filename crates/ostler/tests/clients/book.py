"""Books a flight with the Python client. Each question is printed, and answered once a line has come on stdin."""

import asyncio
import json
import sys

from mcp import Client
from mcp.types import CreateMessageResult, ElicitResult, TextContent

# Questions of one round come at the same time: they are answered one after the other.
turn = asyncio.Lock()


async def asked(message):
    async with turn:
        print(json.dumps({"asked": message}), flush=True)
        await asyncio.to_thread(sys.stdin.readline)


async def elicit(context, params):
    await asked(params.message)
    flight = params.requested_schema["properties"].get("flight")
    content = {"flight": flight["oneOf"][1]["const"]} if flight else {"seat": "window", "meal": True}
    return ElicitResult(action="accept", content=content)


async def sample(context, params):
    await asked(params.messages[0].content.text)
    text = TextContent(type="text", text="the old town")
    return CreateMessageResult(role="assistant", content=text, model="test")


async def main(url):
    async with Client(url, elicitation_callback=elicit, sampling_callback=sample) as client:
        trip = {"from": "Berlin", "to": "Rome", "date": "2026-12-24"}
        result = await client.call_tool("book_flight", trip)
        print(json.dumps({"booked": result.structured_content}), flush=True)


asyncio.run(main(sys.argv[1]))
