// Reads messages with Node's own parser (llhttp). Each line of standard input is a JSON list: what it
// is ("REQUEST", "RESPONSE", or "HEAD" for a response to HEAD) and its bytes in base64. For each one a
// line comes back: the whole messages that were read, and whether the parser refused the rest.
'use strict';
const { HTTPParser, methods } = require('_http_common');
const lines = require('readline').createInterface({ input: process.stdin });

function read(kind, bytes) {
  const parser = new HTTPParser(), found = [];
  let message = null;
  parser.initialize(kind === 'REQUEST' ? HTTPParser.REQUEST : HTTPParser.RESPONSE, {});
  parser[HTTPParser.kOnHeaders] = (fields, url) => {
    if (message === null) message = { fields: [], url: '', body: [] };
    if (message.first === undefined) {
      message.fields.push(...fields);
      message.url += url;
    }
  };
  parser[HTTPParser.kOnHeadersComplete] = (major, minor, fields, method, url, status) => {
    message = message || { fields: [], url: '', body: [] };
    message.fields.push(...(fields || []));
    message.url += url || '';
    message.first = kind === 'REQUEST' ? [methods[method], message.url] : [`${status}`, ''];
    return kind === 'HEAD' ? 1 : 0;
  };
  parser[HTTPParser.kOnBody] = (piece) => message.body.push(Buffer.from(piece));
  parser[HTTPParser.kOnMessageComplete] = () => {
    const body = Buffer.concat(message.body).toString('base64');
    if (!(message.first[0] < '200')) found.push([message.first, message.fields, body]);
    message = null;
  };
  const refused = parser.execute(bytes) instanceof Error || parser.finish() instanceof Error;
  return [found, refused];
}

lines.on('line', (line) => {
  const [kind, bytes] = JSON.parse(line);
  console.log(JSON.stringify(read(kind, Buffer.from(bytes, 'base64'))));
});
