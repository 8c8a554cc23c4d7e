/**
 * SHA-256 after FIPS 180-4. No DOM.
 *
 * Browsers have one in `crypto.subtle`, but only in a secure context: a page on plain HTTP, other
 * than on localhost, could prove nothing.
 */

const BLOCK = 64;

/** The SHA-256 of bytes, in hexadecimal. */
export function sha256(bytes) {
  const padded = pad(bytes);
  const state = Uint32Array.from(INITIAL);
  const schedule = new Uint32Array(BLOCK);
  for (let start = 0; start < padded.byteLength; start += BLOCK) {
    expand(schedule, padded, start);
    compress(state, schedule);
  }
  return Array.from(state, (word) => word.toString(16).padStart(8, "0")).join("");
}

/** The message, a one bit, zeros, and the length in bits, up to whole blocks. */
function pad(bytes) {
  const length = Math.ceil((bytes.length + 9) / BLOCK) * BLOCK;
  const padded = new Uint8Array(length);
  padded.set(bytes);
  padded[bytes.length] = 0x80;
  const view = new DataView(padded.buffer);
  view.setUint32(length - 8, Math.floor(bytes.length / 2 ** 29));
  view.setUint32(length - 4, bytes.length << 3);
  return view;
}

function expand(schedule, padded, start) {
  for (let t = 0; t < 16; t += 1) schedule[t] = padded.getUint32(start + 4 * t);
  for (let t = 16; t < BLOCK; t += 1) {
    const [near, far] = [schedule[t - 2], schedule[t - 15]];
    const small1 = rotate(near, 17) ^ rotate(near, 19) ^ (near >>> 10);
    const small0 = rotate(far, 7) ^ rotate(far, 18) ^ (far >>> 3);
    schedule[t] = schedule[t - 16] + schedule[t - 7] + small0 + small1;
  }
}

function compress(state, schedule) {
  let [a, b, c, d, e, f, g, h] = state;
  for (let t = 0; t < BLOCK; t += 1) {
    const big1 = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25);
    const first = (h + big1 + ((e & f) ^ (~e & g)) + ROUNDS[t] + schedule[t]) | 0;
    const big0 = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22);
    const second = (big0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    [h, g, f, e, d, c, b, a] = [g, f, e, (d + first) | 0, c, b, a, (first + second) | 0];
  }
  [a, b, c, d, e, f, g, h].forEach((word, index) => (state[index] += word));
}

function rotate(word, by) {
  return (word >>> by) | (word << (32 - by));
}

/** The first primes; their roots are what the constants are made of. */
function primes(count) {
  const found = [];
  for (let number = 2; found.length < count; number += 1) {
    if (found.every((prime) => number % prime !== 0)) found.push(number);
  }
  return found;
}

/** The first 32 bits behind the point; a double has some to spare. */
function fraction(number) {
  return Math.floor((number % 1) * 2 ** 32);
}

const INITIAL = primes(8).map((prime) => fraction(Math.sqrt(prime)));
const ROUNDS = primes(64).map((prime) => fraction(Math.cbrt(prime)));
