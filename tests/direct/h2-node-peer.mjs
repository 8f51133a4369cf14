/** Node's own http2 as the other end of a tunnel: a CONNECT client or server over mutual TLS; run by node, not by bun. */
import { createHash } from "node:crypto";
import http2 from "node:http2";

const { role, port, pem, bytes, slowMs } = JSON.parse(process.argv[2]);
const tls = { key: pem.key, cert: pem.cert, ca: pem.ca, minVersion: "TLSv1.3", ALPNProtocols: ["h2"] };
const settings = { initialWindowSize: 1 << 20, enablePush: false, headerTableSize: 4096 };

if (role === "client") {
  const session = http2.connect(`https://127.0.0.1:${port}`, {
    ...tls,
    settings,
    checkServerIdentity: () => undefined,
  });
  session.on("error", (error) => say({ error: String(error) }));
  const stream = session.request({
    ":method": "CONNECT",
    ":authority": "10.0.0.1:80",
    baggage: "service.name=web",
  });
  stream.on("response", (headers) => {
    if (headers[":status"] !== 200) {
      say({ status: headers[":status"], extra: headers["x-extra"] });
      session.close();
      return;
    }
    run(stream, () => session.close());
  });
  stream.on("error", (error) => say({ error: String(error) }));
} else {
  const server = http2.createSecureServer({ ...tls, settings, requestCert: true, rejectUnauthorized: true });
  server.on("session", (session) => session.on("error", () => undefined));
  server.on("stream", (stream, headers) => {
    const authority = headers[":authority"];
    if (headers[":method"] !== "CONNECT" || authority === "refuse.me:80") {
      stream.respond({ ":status": 403, "x-extra": "no" }, { endStream: true });
      return;
    }
    if (authority === "reset.me:80") {
      stream.on("error", () => undefined);
      stream.close(http2.constants.NGHTTP2_REFUSED_STREAM);
      return;
    }
    stream.on("error", (error) => say({ error: String(error) }));
    stream.respond({ ":status": 200 });
    run(stream, () => server.close());
  });
  server.listen(0, "127.0.0.1", () => say({ port: server.address().port }));
}

/** Sends the bytes, reads slowly at first, and says what it saw. */
function run(stream, done) {
  const sent = createHash("sha256");
  const got = createHash("sha256");
  let received = 0;
  const block = Buffer.alloc(65_536);
  let left = bytes;
  const pump = () => {
    while (left > 0) {
      const piece = block.subarray(0, Math.min(block.length, left));
      piece.writeUInt32BE(left >>> 0, 0);
      sent.update(piece);
      left -= piece.length;
      if (!stream.write(Buffer.from(piece))) {
        stream.once("drain", pump);
        return;
      }
    }
    stream.end();
    finish();
  };
  const startedAt = performance.now();
  stream.on("data", (data) => {
    got.update(data);
    received += data.length;
    if (performance.now() - startedAt > slowMs) return;
    // About 1 MB/s while it is slow.
    stream.pause();
    setTimeout(() => stream.resume(), data.length / 1000);
  });
  stream.on("end", () => finish());
  let open = 2;
  const finish = () => {
    if (--open > 0) return;
    say({ received, got: got.digest("hex"), sent: sent.digest("hex") });
    done();
  };
  pump();
}

function say(value) {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}
