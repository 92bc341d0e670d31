// The same with the TypeScript SDK of the revisions with sessions.
import { createInterface } from 'node:readline';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { CreateMessageRequestSchema, ElicitRequestSchema } from '@modelcontextprotocol/sdk/types.js';

const [target] = process.argv.slice(2);
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const told = (kind, value) => console.log(JSON.stringify({ [kind]: value }));

let before = Promise.resolve();
const inTurn = task => (before = before.then(task));

const client = new Client(
  { name: 'booking', version: '1.0.0' },
  { capabilities: { elicitation: {}, sampling: {} } },
);
client.setRequestHandler(ElicitRequestSchema, ({ params }) => inTurn(async () => {
  told('asked', params.message);
  await lines.next();
  const flight = params.requestedSchema.properties.flight;
  const content = flight ? { flight: flight.oneOf[1].const } : { seat: 'window', meal: true };
  return { action: 'accept', content };
}));
client.setRequestHandler(CreateMessageRequestSchema, ({ params }) => inTurn(async () => {
  told('asked', params.messages[0].content.text);
  await lines.next();
  return { role: 'assistant', content: { type: 'text', text: 'the old town' }, model: 'test' };
}));

let spoken;
const transport = target.startsWith('http:')
  ? new StreamableHTTPClientTransport(new URL(target))
  : new StdioClientTransport({ command: target, args: ['stdio'], stderr: 'inherit' });
const set = transport.setProtocolVersion?.bind(transport);
transport.setProtocolVersion = version => { spoken = version; set?.(version); };
await client.connect(transport);
told('spoken', spoken);
const trip = { from: 'Berlin', to: 'Rome', date: '2026-12-24' };
const result = await client.callTool({ name: 'book_flight', arguments: trip });
told('booked', result.structuredContent);
await client.close();
process.exit(0);
