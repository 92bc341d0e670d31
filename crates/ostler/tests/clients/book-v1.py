"""The same with the Python SDK of the revisions with sessions."""

import asyncio
import json
import sys
from contextlib import asynccontextmanager

from mcp import ClientSession, StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.types import CreateMessageResult, ElicitResult, TextContent

turn = asyncio.Lock()


def told(kind, value):
    print(json.dumps({kind: value}), flush=True)


async def asked(message):
    async with turn:
        told("asked", message)
        await asyncio.to_thread(sys.stdin.readline)


async def elicit(context, params):
    await asked(params.message)
    flight = params.requestedSchema["properties"].get("flight")
    content = {"flight": flight["oneOf"][1]["const"]} if flight else {"seat": "window", "meal": True}
    return ElicitResult(action="accept", content=content)


async def sample(context, params):
    await asked(params.messages[0].content.text)
    text = TextContent(type="text", text="the old town")
    return CreateMessageResult(role="assistant", content=text, model="test")


@asynccontextmanager
async def streams(target):
    if target.startswith("http:"):
        async with streamable_http_client(target) as (read, write, _):
            yield read, write
    else:
        async with stdio_client(StdioServerParameters(command=target, args=["stdio"])) as (read, write):
            yield read, write


async def main(target, _era):
    async with streams(target) as (read, write):
        async with ClientSession(read, write, elicitation_callback=elicit, sampling_callback=sample) as session:
            told("spoken", (await session.initialize()).protocolVersion)
            trip = {"from": "Berlin", "to": "Rome", "date": "2026-12-24"}
            result = await session.call_tool("book_flight", trip)
            told("booked", result.structuredContent)


asyncio.run(main(*sys.argv[1:]))
