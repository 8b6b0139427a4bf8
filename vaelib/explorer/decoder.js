// The decoder's mean, x = f(z), computed from the weights of the trained network.

function softplus(a) {
  return Math.max(a, 0) + Math.log1p(Math.exp(-Math.abs(a)));
}

const ACTIVATIONS = {
  identity: (a) => a,
  tanh: Math.tanh,
  relu: (a) => Math.max(a, 0),
  sigmoid: (a) => 1 / (1 + Math.exp(-a)),
  softplus,
  silu: (a) => a / (1 + Math.exp(-a)),
};

function half(bits) {
  const exponent = (bits >> 10) & 31, fraction = bits & 1023;
  const size = exponent
    ? 2 ** (exponent - 15) * (1 + fraction / 1024)
    : 2 ** -14 * (fraction / 1024);
  return bits & 0x8000 ? -size : size;
}

function bytes(view) {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

function floats(view, precision = "float32") {
  const copy = bytes(view).slice().buffer;
  return precision === "float16"
    ? Float32Array.from(new Uint16Array(copy), half)
    : new Float32Array(copy);
}

// Wx + b, four rows at a time, whose sums do not wait for each other. Past the last row they are
// sums of nothing, and the array drops them.
function affine(W, b, x) {
  const out = new Float64Array(b.length), n = x.length;
  for (let i = 0; i < b.length; i += 4) {
    let s = b[i], t = b[i + 1], u = b[i + 2], v = b[i + 3];
    for (let j = 0, k = i * n; j < n; j++, k++) {
      s += W[k] * x[j];
      t += W[k + n] * x[j];
      u += W[k + 2 * n] * x[j];
      v += W[k + 3 * n] * x[j];
    }
    out[i] = s;
    out[i + 1] = t;
    out[i + 2] = u;
    out[i + 3] = v;
  }
  return out;
}

// layers: [{ inputs, outputs, activation }]; weights: for each layer W (outputs × inputs), then b.
function decoder(layers, weights) {
  let start = 0;
  const steps = layers.map(({ inputs, outputs, activation }) => {
    const W = weights.subarray(start, start + inputs * outputs);
    const b = weights.subarray(start + W.length, start + W.length + outputs);
    start += W.length + b.length;
    return { W, b, g: ACTIVATIONS[activation] };
  });
  return (z) => steps.reduce((x, { W, b, g }) => {
    const next = affine(W, b, x);
    for (let i = 0; i < next.length; i++) next[i] = g(next[i]);
    return next;
  }, Float64Array.from(z));
}
