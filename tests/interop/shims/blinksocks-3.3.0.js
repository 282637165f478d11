// chacha20-ietf of 3.3.0 insists on Node 10 by the text of its version; it works on later ones.
Object.defineProperty(process, 'version', {value: 'v10.24.1'});
