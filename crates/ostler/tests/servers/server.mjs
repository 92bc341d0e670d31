// A web server with the habits, good and bad, that tests need. It listens where Ostler tells it to.
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { createServer } from "node:http";

const habits = new Set(process.argv.slice(2));
const open = [];
const gone = [];
let begun = false;
let sick = false;
let asked = false;

const answers = {
  "/health": (_, response) => response.writeHead(sick ? 500 : 200).end(),
  "/sick": (_, response) => {
    sick = true;
    response.end();
  },
  "/self": (_, response) =>
    response.end(JSON.stringify({ pid: process.pid, arguments: process.argv, environment: process.env })),
  // Dies in the middle of a request.
  "/crash": () => process.exit(9),
  // For a server that has been asked to end and goes on.
  "/exit": (_, response) => response.end("bye", () => process.exit(0)),
  "/never": () => {},
  "/half": (_, response) => response.write("the first half\n"),
  // Answers when the server is asked to end.
  "/until-asked": (_, response) => (asked ? response.end("asked\n") : open.push(response)),
  // Tells how much came, when all of it has.
  "/count": (request, response) => {
    const digest = createHash("sha256");
    let length = 0;
    request.on("data", (data) => {
      digest.update(data);
      length += data.length;
    });
    request.on("end", () => response.end(JSON.stringify({ length, sha256: digest.digest("hex") })));
  },
  "/upload": (_, response) => {
    begun = true;
    gone.forEach((waiting) => waiting.write("begun\n"));
    response.on("close", () => gone.forEach((waiting) => waiting.end("gone")));
  },
  // Tells when an upload has begun, and when its client is gone.
  "/gone": (_, response) => {
    gone.push(response);
    if (begun) response.write("begun\n");
  },
  "/back": (request, response) => request.pipe(response),
  "/trailers": (request, response) => {
    response.writeHead(200, { Trailer: "X-Seen, X-Last" });
    request.resume().on("end", () => {
      response.write("body");
      response.addTrailers({ "X-Seen": request.trailers["x-checksum"] ?? "none", "X-Last": "yes" });
      response.end();
    });
  },
  // One event, and the next ones on demand: the stream is as long as the client wants.
  "/sse": (_, response) => {
    response.writeHead(200, { "Content-Type": "text/event-stream" });
    response.write("data: first\n\n");
    open.push(response);
  },
  "/tick": (_, response) => {
    open.forEach((stream) => stream.write("data: tick\n\n"));
    response.end();
  },
  // A descendant in a session of its own, out of reach of whoever ends our process group.
  "/grandchild": (_, response) => {
    const grandchild = spawn("sleep", ["1000"], { detached: true, stdio: "ignore" });
    grandchild.on("spawn", () => response.end(String(grandchild.pid)));
  },
  "/": (request, response) => response.end(`${request.headers.host} by ${process.pid}\n`),
};

const server = createServer({ requestTimeout: 0, headersTimeout: 0 }, (request, response) => {
  const path = new URL(request.url, "http://localhost").pathname;
  const answer = answers[path] ?? ((_, response) => response.writeHead(404).end());
  answer(request, response);
});

// RFC 6455 by hand: every frame goes back as it came.
server.on("upgrade", (request, socket, head) => {
  const accept = createHash("sha1")
    .update(request.headers["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")
    .digest("base64");
  socket.write(
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
      `Sec-WebSocket-Accept: ${accept}\r\n\r\n`,
  );
  let bytes = head;
  socket.on("data", (more) => {
    bytes = Buffer.concat([bytes, more]);
    for (let end; (end = frameEnd(bytes)); bytes = bytes.subarray(end)) {
      const frame = unmasked(bytes.subarray(0, end));
      const kind = frame[0] & 0x0f;
      if (kind === 9) frame[0] += 1; // a ping is answered with a pong
      if (kind === 8) socket.end(frame);
      else socket.write(frame);
    }
  });
  socket.on("error", () => {});
});

function header(bytes) {
  const short = bytes[1] & 0x7f;
  if (short === 126) return bytes.length >= 4 && { length: bytes.readUInt16BE(2), size: 4 };
  if (short === 127) return bytes.length >= 10 && { length: Number(bytes.readBigUInt64BE(2)), size: 10 };
  return { length: short, size: 2 };
}

function frameEnd(bytes) {
  const head = bytes.length >= 2 && header(bytes);
  const end = head && head.size + 4 + head.length;
  return end && end <= bytes.length ? end : 0;
}

function unmasked(frame) {
  const { size } = header(frame);
  const mask = frame.subarray(size, size + 4);
  const head = Buffer.from(frame.subarray(0, size));
  head[1] &= 0x7f;
  return Buffer.concat([head, frame.subarray(size + 4).map((byte, at) => byte ^ mask[at % 4])]);
}

process.on("SIGTERM", () => {
  asked = true;
  open.forEach((response) => response.end("asked\n"));
  if (!habits.has("stays")) process.exit(0);
});

const place = habits.has("taken") ? Number(process.env.TAKEN) : (process.env.SOCKET ?? Number(process.env.PORT));
if (habits.has("never-ready")) setInterval(() => {}, 1000);
else server.listen(typeof place === "number" ? { port: place, host: "127.0.0.1" } : place);
