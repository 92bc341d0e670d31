"""Books a flight with the Python client. Each question is printed, and answered once a line has come on stdin.

Arguments: an address, or the program that is started and spoken to over its standard streams; and the era.
"""

import asyncio
import json
import sys

from mcp import Client, StdioServerParameters
from mcp.types import CreateMessageResult, ElicitResult, TextContent

# Questions of one round come at the same time: they are answered one after the other.
turn = asyncio.Lock()


def told(kind, value):
    print(json.dumps({kind: value}), flush=True)


async def asked(message):
    async with turn:
        told("asked", message)
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


async def main(target, era):
    server = target if target.startswith("http:") else StdioServerParameters(command=target, args=["stdio"])
    mode = "auto" if era == "2026" else "legacy"
    async with Client(server, mode=mode, elicitation_callback=elicit, sampling_callback=sample) as client:
        told("spoken", client.protocol_version)
        trip = {"from": "Berlin", "to": "Rome", "date": "2026-12-24"}
        result = await client.call_tool("book_flight", trip)
        told("booked", result.structured_content)


asyncio.run(main(*sys.argv[1:]))
