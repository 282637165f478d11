'use strict';
// The `ws` package that blinksocks brings: ws_client.js MODULES URL BYTES MASK
// Sends a pattern in messages of all lengths and checks what comes back, pings on the way.
const path = require('path');

const [modules, url, size, mask] = process.argv.slice(2);
const WebSocket = require(path.join(modules, 'ws'));

const socket = new WebSocket(url, { perMessageDeflate: false });
const sent = Buffer.alloc(Number(size), 'a pattern of 23 bytes, ');
let received = Buffer.alloc(0);
let pongs = 0;

socket.on('open', () => {
  for (let start = 0, length = 1; start < sent.length; start += length, length = length * 2 + 1) {
    const piece = sent.slice(start, start + length);
    socket.send(piece.slice(0, 1), { mask: mask === 'true', fin: false, binary: true });
    socket.ping('still there?');
    socket.send(piece.slice(1), { mask: mask === 'true', fin: true, binary: true });
  }
});
socket.on('pong', () => { pongs += 1; });
socket.on('message', (data) => {
  received = Buffer.concat([received, data]);
  if (received.length < sent.length) return;
  if (!received.equals(sent)) throw new Error('came back changed');
  if (!pongs) throw new Error('no pong');
  socket.close();
});
socket.on('close', (code) => {
  if (received.length < sent.length) throw new Error(`closed after ${received.length}`);
  process.exit(code === 1005 ? 0 : 1);
});
