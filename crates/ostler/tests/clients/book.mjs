// Books a flight with the TypeScript client. Each question is printed, and answered once a line has come on stdin.
// Arguments: an address, or the program that is started and spoken to over its standard streams; and the era.
import { createInterface } from 'node:readline';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';

const [target, era] = process.argv.slice(2);
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const told = (kind, value) => console.log(JSON.stringify({ [kind]: value }));

// Questions of one round come at the same time: they are answered one after the other.
let before = Promise.resolve();
const inTurn = task => (before = before.then(task));

const versionNegotiation = era === '2026' ? { versionNegotiation: { mode: 'auto' } } : {};
const client = new Client(
  { name: 'booking', version: '1.0.0' },
  { capabilities: { elicitation: {}, sampling: {} }, ...versionNegotiation },
);
client.setRequestHandler('elicitation/create', ({ params }) => inTurn(async () => {
  told('asked', params.message);
  await lines.next();
  const flight = params.requestedSchema.properties.flight;
  const content = flight ? { flight: flight.oneOf[1].const } : { seat: 'window', meal: true };
  return { action: 'accept', content };
}));
client.setRequestHandler('sampling/createMessage', ({ params }) => inTurn(async () => {
  told('asked', params.messages[0].content.text);
  await lines.next();
  return { role: 'assistant', content: { type: 'text', text: 'the old town' }, model: 'test' };
}));

const transport = target.startsWith('http:')
  ? new StreamableHTTPClientTransport(new URL(target))
  : new StdioClientTransport({ command: target, args: ['stdio'], stderr: 'inherit' });
await client.connect(transport);
told('spoken', client.getNegotiatedProtocolVersion());
const trip = { from: 'Berlin', to: 'Rome', date: '2026-12-24' };
const result = await client.callTool({ name: 'book_flight', arguments: trip });
told('booked', result.structuredContent);
await client.close();
process.exit(0);
