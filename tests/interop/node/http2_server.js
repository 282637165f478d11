'use strict';
// An HTTP/2 server that sends back what it gets: http2_server.js PORT CERT KEY
const fs = require('fs');
const http2 = require('http2');

const [port, cert, key] = process.argv.slice(2);
const server = http2.createSecureServer({
  cert: fs.readFileSync(cert),
  key: fs.readFileSync(key),
});

server.on('stream', (stream, headers) => {
  console.log(`${headers[':method']} ${headers[':path']} ${headers[':authority']}`);
  stream.on('error', (error) => console.log(`error: ${error.message}`));
  stream.respond({ ':status': 200 });
  stream.pipe(stream);
});
server.listen(Number(port), '127.0.0.1');
