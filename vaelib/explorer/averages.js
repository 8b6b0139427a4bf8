// The divergence of two normals q = [mean, deviation] and p, by formula and by draws.

function klNormals([m, s], [n, t]) {
  return Math.log(t / s) + (s * s + (m - n) ** 2) / (2 * t * t) - 0.5;
}

// The standard deviation of log q(z) − log p(z) for one draw z ~ q.
function spread([m, s], [n, t]) {
  const linear = s * (m - n) / t ** 2, square = (s * s / (t * t) - 1) / 2;
  return Math.sqrt(linear ** 2 + 2 * square ** 2);
}

// Standard normal numbers, the same at every visit: mulberry32, then Box and Muller.
function normals(seed, count) {
  const uniform = () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), seed | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  const eps = new Float64Array(count);
  for (let i = 0; i < count; i += 2) {
    const radius = Math.sqrt(-2 * Math.log(1 - uniform())), angle = 2 * Math.PI * uniform();
    eps[i] = radius * Math.cos(angle);
    eps[i + 1] = radius * Math.sin(angle);
  }
  return eps;
}

// Average and standard error of log q(z) − log p(z), z = m + s ε, after 10 draws and ever more.
function running([m, s], [n, t], eps, draws) {
  const path = [], shift = Math.log(t / s);
  let sum = 0, squares = 0, next = 10;
  for (let i = 0; i < draws; i++) {
    const ratio = shift - eps[i] ** 2 / 2 + ((m + s * eps[i] - n) / t) ** 2 / 2;
    sum += ratio;
    squares += ratio * ratio;
    const count = i + 1;
    if (count < next && count < draws) continue;
    const mean = sum / count, rest = Math.max(0, squares - count * mean * mean);
    path.push({ count, mean, error: Math.sqrt(rest / (count - 1) / count) });
    next = Math.max(count + 1, Math.round(count * 1.08));
  }
  return path;
}

function nice(value) {
  const size = 10 ** Math.floor(Math.log10(value));
  return size * [1, 2, 3, 5, 7, 10].find((factor) => factor * size >= value * (1 - 1e-9));
}

function density(z, [m, s]) {
  return Math.exp(-(((z - m) / s) ** 2) / 2) / (s * Math.sqrt(2 * Math.PI));
}
