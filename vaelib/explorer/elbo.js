// The two terms of the ELBO under a normal q over two latents, and the posterior as a map.

const FINE = 240;

// z ↦ log p(x|z): black or white pixels from log odds, or grey ones with deviation sigma.
function logLikelihood(x, f, sigma) {
  const constant = -x.length * Math.log(sigma * Math.sqrt(2 * Math.PI));
  return (z) => {
    const out = f(z);
    let sum = 0;
    if (sigma) {
      for (let i = 0; i < x.length; i++) sum += ((x[i] - out[i]) / sigma) ** 2;
      return constant - sum / 2;
    }
    for (let i = 0; i < x.length; i++) sum += x[i] * out[i] - softplus(out[i]);
    return sum;
  };
}

// The nodes of the Gauss–Hermite rule on the plane; those without weight are left out.
function hermite([t, share]) {
  const nodes = [];
  t.forEach((first, i) => t.forEach((second, j) => {
    const weight = share[i] * share[j];
    if (weight > 1e-10) nodes.push([first, second, weight]);
  }));
  return nodes;
}

function terms(logP, nodes, mu, sigma) {
  let reconstruction = 0, kl = 0;
  for (const [s, t, weight] of nodes)
    reconstruction += weight * logP([mu[0] + sigma[0] * s, mu[1] + sigma[1] * t]);
  for (const j of [0, 1]) kl += (mu[j] ** 2 + sigma[j] ** 2 - 1) / 2 - Math.log(sigma[j]);
  return { reconstruction, kl, elbo: reconstruction - kl };
}

// The posterior over a window of the plane, as a share of its highest value there: its log is
// computed at grid × grid points and taken as linear between them.
function posterior(logP, [left, right], [low, high], grid) {
  const at = (i, from, to) => from + (i / (grid - 1)) * (to - from);
  const logs = Float64Array.from({ length: grid * grid }, (_, i) => {
    const z = [at(i % grid, left, right), at(Math.floor(i / grid), high, low)];
    return logP(z) - (z[0] ** 2 + z[1] ** 2) / 2;
  });
  const highest = Math.max(...logs), values = new Float64Array(FINE * FINE);
  const between = (a, b, t) => a + t * (b - a), step = (grid - 1) / FINE;
  for (let k = 0; k < values.length; k++) {
    const across = (k % FINE + 0.5) * step, down = (Math.floor(k / FINE) + 0.5) * step;
    const i = grid * Math.floor(down) + Math.floor(across), t = across % 1;
    const upper = between(logs[i], logs[i + 1], t);
    const lower = between(logs[i + grid], logs[i + grid + 1], t);
    values[k] = Math.exp(between(upper, lower, down % 1) - highest);
  }
  return values;
}
