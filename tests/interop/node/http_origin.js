// An origin: tells what was asked, and echoes over WebSocket.
'use strict';
const http = require('http');
const { Server } = require('ws');
const server = http.createServer((request, response) => {
  const parts = [];
  request.on('data', (part) => parts.push(part));
  request.on('end', () => response.end(`${request.method} ${request.url} ${Buffer.concat(parts)}\n`));
});
new Server({ server }).on('connection', (socket) => {
  socket.on('message', (data) => socket.send(data));
});
server.listen(Number(process.argv[2]), '127.0.0.1');
