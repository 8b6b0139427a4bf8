// The decoder's mean, x = f(z), computed from the weights of the trained network.

const ACTIVATIONS = {
  identity: (a) => a,
  tanh: Math.tanh,
  relu: (a) => Math.max(a, 0),
  sigmoid: (a) => 1 / (1 + Math.exp(-a)),
  softplus: (a) => Math.max(a, 0) + Math.log1p(Math.exp(-Math.abs(a))),
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

// W's row from k on times x, in four sums that do not wait for each other.
function dot(W, k, x) {
  let s = 0, t = 0, u = 0, v = 0, j = 0;
  for (; j + 3 < x.length; j += 4, k += 4) {
    s += W[k] * x[j];
    t += W[k + 1] * x[j + 1];
    u += W[k + 2] * x[j + 2];
    v += W[k + 3] * x[j + 3];
  }
  for (; j < x.length; j++, k++) s += W[k] * x[j];
  return s + t + u + v;
}

// layers: [{ inputs, outputs, activation }]; weights: for each layer W (outputs × inputs), then b.
function decoder(layers, weights) {
  let start = 0;
  const steps = layers.map(({ inputs, outputs, activation }) => {
    const W = weights.subarray(start, start + inputs * outputs);
    const b = weights.subarray(start + W.length, start + W.length + outputs);
    start += W.length + b.length;
    return { W, b, inputs, g: ACTIVATIONS[activation] };
  });
  return (z) => steps.reduce((x, { W, b, inputs, g }) => {
    const next = new Float64Array(b.length);
    for (let i = 0; i < b.length; i++) next[i] = g(b[i] + dot(W, i * inputs, x));
    return next;
  }, Float64Array.from(z));
}
