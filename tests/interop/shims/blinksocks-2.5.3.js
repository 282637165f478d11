// 2.5.3 writes integers wider than 6 bytes, which Node allowed up to version 9: the bytes above
// the sixth are zero.
const WIDEST = 6;

for (const [name, zerosFirst] of [['writeUIntBE', true], ['writeUIntLE', false]]) {
  const original = Buffer.prototype[name];
  Buffer.prototype[name] = function (value, offset, byteLength) {
    if (byteLength <= WIDEST) {
      return original.call(this, value, offset, byteLength);
    }
    const zeros = byteLength - WIDEST;
    this.fill(0, offset, offset + byteLength);
    original.call(this, value, zerosFirst ? offset + zeros : offset, WIDEST);
    return offset + byteLength;
  };
}
