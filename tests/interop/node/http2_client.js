'use strict';
// Several streams of one HTTP/2 connection: http2_client.js PORT CA STREAMS BYTES
// Each sends a pattern, ends its direction, and checks what comes back.
const crypto = require('crypto');
const fs = require('fs');
const http2 = require('http2');

const [port, ca, streams, size] = process.argv.slice(2);
const session = http2.connect(`https://localhost:${port}`, {
  ca: fs.readFileSync(ca),
  maxSessionMemory: 100, // MB; all that is sent waits in it
});
const hash = (data) => crypto.createHash('sha256').update(data).digest('hex');

function exchange(number) {
  return new Promise((resolve, reject) => {
    const sent = Buffer.alloc(Number(size), `stream ${number} `);
    const received = [];
    const stream = session.request({ ':method': 'POST', ':path': `/${number}` });
    stream.on('response', (headers) => {
      if (headers[':status'] !== 200) reject(new Error(`status ${headers[':status']}`));
    });
    stream.on('data', (data) => received.push(data));
    stream.on('error', reject);
    stream.on('end', () => {
      const same = hash(Buffer.concat(received)) === hash(sent);
      same ? resolve() : reject(new Error(`stream ${number} came back changed`));
    });
    stream.end(sent);
  });
}

session.on('error', (error) => { throw error; });
Promise.all(Array.from({ length: Number(streams) }, (_, number) => exchange(number)))
  .then(() => session.close());
