// A few points under noise: which point it was, the best denoiser, and the bound's share.

// alpha, sigma, and for each point the mean and deviation of z given it.
function noised(points, level) {
  const alpha = Math.sqrt(1 / (1 + Math.exp(-level))), sigma = Math.sqrt(1 / (1 + Math.exp(level)));
  return points.map((x) => [alpha * x, sigma]);
}

// The density of z, the probability of each point given z, and the mean of x given z.
function posterior({ points, probs }, level, z) {
  const add = (numbers) => numbers.reduce((a, b) => a + b, 0), under = noised(points, level);
  const far = under.map(([m, s]) => ((z - m) / s) ** 2), least = Math.min(...far);
  const weights = far.map((d, i) => probs[i] * Math.exp((least - d) / 2));
  const shares = weights.map((w) => w / add(weights));
  return {
    shares, mean: add(shares.map((p, i) => p * points[i])),
    density: add(under.map((normal, i) => probs[i] * density(z, normal))),
  };
}

// E(x − x̂)² = E x² − E x̂², the second by a sum over z on both sides of each point's normal.
function squaredError(model, level) {
  const { points, probs } = model, steps = 400, far = 9;
  const second = probs.reduce((a, p, i) => a + p * points[i] ** 2, 0);
  const told = noised(points, level).map(([m, s], i) => {
    let sum = 0;
    for (let k = 0; k <= steps; k++) {
      const e = -far + (2 * far * k) / steps;
      sum += density(e, [0, 1]) * posterior(model, level, m + s * e).mean ** 2;
    }
    return probs[i] * sum * (2 * far) / steps;
  });
  return Math.max(0, second - told.reduce((a, b) => a + b, 0));
}

const share = (model, level) => 0.5 * Math.exp(level) * squaredError(model, level);

// The line of z: its density, a bar at each point for its probability, the denoiser's answer.
function noiseLine(model, far) {
  const stage = plane({
    x: [-far, far], y: [-0.15, 1.15], width: 400, height: 190,
    label: "The density of z, and at each point its probability given z.",
  });
  const axis = element("svg:path", { class: "axis", d: stage.path([[-far, 0], [far, 0]]) });
  const curve = element("svg:path", { class: "curve p" });
  const bars = model.points.map(() => element("svg:rect", { class: "bar q", width: 8 }));
  const guess = element("svg:path", { class: "curve q" });
  const name = element("svg:text", { class: "name q" }, "x̂");
  stage.drawing.append(axis, ...bars, curve, guess, name);
  for (let z = -2; z <= 2; z++)
    stage.text("tick", stage.X(z), stage.Y(-0.12), number(z, 0));
  const grid = Array.from({ length: 241 }, (_, i) => -far + (i / 240) * 2 * far);
  const height = (level) => (z) => posterior(model, level, z).density;
  return {
    stage,
    scale: (level) => 1 / Math.max(...grid.map(height(level))),
    draw(level, z, scale) {
      const { shares, mean } = posterior(model, level, z);
      put(curve, { d: stage.path(grid.map((g) => [g, scale * height(level)(g)])) });
      bars.forEach((bar, i) => put(bar, {
        x: stage.X(model.points[i]) - 4, y: stage.Y(shares[i]), height: stage.Y(0) - stage.Y(shares[i]),
      }));
      put(guess, { d: stage.path([[mean, -0.06], [mean, 0.06]]) });
      put(name, { x: stage.X(mean), y: stage.Y(0.09) });
    },
  };
}

// The bound's share against the level of noise; the area under it is what all levels cost.
function shareChart(model, levels) {
  const grid = Array.from({ length: 97 }, (_, i) => levels[0] + (i / 96) * (levels[1] - levels[0]));
  const points = grid.map((v) => [v, share(model, v)]), top = Math.max(...points.map(([, s]) => s));
  const stage = plane({
    x: levels, y: [-0.18 * top, 1.15 * top], width: 400, height: 150,
    label: "The bound's share at each level of noise, against log snr.",
  });
  const floor = stage.path([[levels[0], 0], [levels[1], 0]]);
  stage.drawing.append(
    element("svg:path", { class: "axis", d: floor }),
    element("svg:path", { class: "curve q", d: stage.path(points) }),
  );
  for (let v = -4; v <= 4; v += 2)
    stage.text("tick", stage.X(v), stage.Y(0) + 14, number(v, 0));
  stage.text("tick end", 396, stage.Y(0) - 4, "log snr");
  return stage;
}

function render({ model, el }) {
  const fixed = { points: model.get("points"), probs: model.get("probs") };
  const far = model.get("far"), levels = model.get("levels");
  const set = (name) => (value) => write(model, { [name]: value });
  const line = noiseLine(fixed, far), chart = shareChart(fixed, levels);
  const said = element("p", { class: "readout", role: "status" });
  const at = () => [model.get("log_snr"), model.get("z")];
  let scale = 1;
  const z = slider(line.stage, {
    name: "z", range: [-far, far], look: "p", get: () => at()[1], set: set("z"), from: ([v]) => v,
    at: () => [at()[1], scale * posterior(fixed, ...at()).density],
  });
  const level = slider(chart, {
    name: "Level, log snr", range: levels, look: "q", get: () => at()[0], set: set("log_snr"),
    from: ([v]) => v, at: () => [at()[0], share(fixed, at()[0])],
  });
  const draw = () => {
    const [v, where] = at(), { shares, mean } = posterior(fixed, v, where);
    const error = squaredError(fixed, v), cost = share(fixed, v);
    scale = line.scale(v);
    line.draw(v, where, scale);
    const odds = shares.map((p, i) => `${number(fixed.points[i], 1)}: ${number(p, 3)}`).join(", ");
    const text = `best denoiser ${number(mean, 3)}`;
    z.update(`${number(where)}; given z, ${odds}; ${text}`);
    level.update(`${number(v)}; squared error ${number(error, 4)}; share ${number(cost, 4)} nats`);
    said.textContent = `P(x|z) ${odds} · ${text} · mean squared error ${number(error, 4)} · `
      + `share of the bound ${number(cost, 4)} nats per unit of log snr`;
  };
  el.classList.add("vaelib-explorer", "gaussians");
  el.append(line.stage.root, chart.root, said);
  draw();
  return watch(model, ["log_snr", "z"], framed(draw));
}
