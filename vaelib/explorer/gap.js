// A normal q moved over the posterior of one image by hand, and the ELBO that it gives.

const SIZE = 340, WIDTHS = [0.02, 2], LEVELS = [0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000];

// The plane with the posterior on it; look(window) moves the window.
function map(logP, grid, el) {
  const stage = plane({
    x: [0, 1], y: [0, 1], width: SIZE, height: SIZE,
    label: "The latent plane: the true posterior of the image, shaded, and two ellipses, "
      + "at one and two deviations of q.",
  });
  const shade = element("canvas", { class: "backdrop", "aria-hidden": "true" });
  const lines = element("svg:path", { class: "axis" }), known = new Map();
  const names = [["end", SIZE - 6, SIZE - 8], ["start", 6, 15]].map(([anchor, x, y]) =>
    element("svg:text", { class: `share ${anchor}`, x, y }));
  stage.root.prepend(shade);
  stage.drawing.append(lines, ...names);
  const paper = () => {
    const key = [...stage.x, ...stage.y].join();
    if (!known.has(key)) known.set(key, posterior(logP, stage.x, stage.y, grid));
    paint(shade, known.get(key).map((v) => 0.8 * v ** 0.7), [FINE, FINE], ink(el));
  };
  const look = ([first, second, half]) => {
    stage.x.splice(0, 2, first - half, first + half);
    stage.y.splice(0, 2, second - half, second + half);
    const across = [[stage.x[0], 0], [stage.x[1], 0]], up = [[0, stage.y[0]], [0, stage.y[1]]];
    put(lines, { d: stage.path(across) + stage.path(up) });
    [stage.x, stage.y].forEach(([low, high], i) => {
      names[i].textContent = `z${"₁₂"[i]} from ${number(low, 1)} to ${number(high, 1)}`;
    });
    paper();
  };
  return { stage, look, paper };
}

// The ellipses of q and its three handles.
function normal(stage, get, set) {
  const rings = [1, 2].map(() => element("svg:ellipse", { class: "curve guess" }));
  stage.drawing.append(...rings);
  const seen = ([a, b]) => [clamp(a, stage.x), clamp(b, stage.y)];
  const centre = handle(stage, {
    name: "Mean of q", look: "guess", at: () => seen(get().mu), home: [0, 0], range: stage.x,
    move: (mu) => set({ ...get(), mu }),
  });
  centre.knob.setAttribute("aria-roledescription", "two-dimensional slider");
  follow(stage, centre, (mu) => set({ ...get(), mu }));
  const widths = [0, 1].map((j) => slider(stage, {
    name: `Deviation of q along z${"₁₂"[j]}`, look: "guess small", range: WIDTHS, step: 0.05,
    at: () => seen(get().mu.map((m, i) => m + (i === j ? get().sigma[j] : 0))),
    get: () => get().sigma[j], from: (z) => z[j] - get().mu[j],
    set: (value) => set({ ...get(), sigma: get().sigma.map((s, i) => (i === j ? value : s)) }),
  }));
  return (result) => {
    const { mu, sigma } = get(), scale = stage.X(1) - stage.X(0);
    rings.forEach((ring, i) => put(ring, {
      cx: stage.X(mu[0]), cy: stage.Y(mu[1]),
      rx: (i + 1) * sigma[0] * scale, ry: (i + 1) * sigma[1] * scale,
    }));
    centre.update(mu[0], `z = (${number(mu[0])}, ${number(mu[1])}); ${result}`);
    widths.forEach((width, j) => width.update(`${number(sigma[j])}; ${result}`));
  };
}

// How far the ELBO lies below log p(x): in proportion below one nat, by factors above.
function chart(evidence, deepest) {
  const depth = (gap) => Math.asinh(Math.max(gap, 0)), bottom = depth(1.6 * deepest);
  const stage = plane({
    x: [0, 1], y: [-1.02 * bottom, 0.12 * bottom], width: 130, height: 230, label: "",
  });
  const line = (look) => element("svg:path", { class: look });
  const ceiling = line("exact"), gap = line("bar guess"), level = line("curve guess");
  const name = element("svg:text", {}, "ELBO"), highest = `log p(x) = ${number(evidence)}`;
  const top = element("svg:text", { x: stage.X(0.6), y: stage.Y(0) - 6 }, highest);
  stage.drawing.append(gap, ceiling, level, top, name);
  put(ceiling, { d: stage.path([[0.25, 0], [1, 0]]) });
  let last = 0;
  for (const tick of LEVELS) {
    const at = depth(tick);
    if (at > bottom || at - last < 0.06 * bottom) continue;
    last = at;
    const mark = stage.path([[0.2, -at], [0.25, -at]]);
    stage.drawing.append(element("svg:path", { class: "axis", d: mark }));
    stage.text("tick", stage.X(0.1), stage.Y(-at) + 4, `−${tick}`);
  }
  return {
    root: stage.root,
    draw(value) {
      const below = -Math.min(depth(value), bottom);
      const say = `The ELBO lies ${number(value, 3)} nats below ${highest}.`;
      put(gap, { d: `${stage.path([[0.3, 0], [0.62, 0], [0.62, below], [0.3, below]])}Z` });
      put(level, { d: stage.path([[0.25, below], [0.68, below]]) });
      put(name, { x: stage.X(0.84), y: Math.max(stage.Y(below) + 4, stage.Y(0) + 14) });
      put(stage.drawing, { "aria-label": say });
    },
  };
}

// The level chart and the table beside it, redrawn for the terms of the ELBO.
function account(evidence, deepest, picture) {
  const levels = chart(evidence, deepest);
  const names = ["reconstruction", "− KL to prior", "= ELBO", "log p(x)", "gap"];
  const cells = names.map(() => element("td"));
  const rows = names.map((name, i) => {
    const head = element("th", { scope: "row" }, name);
    return element("tr", {}, head, cells[i]);
  });
  const image = element("div", { class: "picture" }, picture, element("p", {}, "x, the image"));
  const right = element("div", {}, element("table", { class: "readout" }, ...rows), image);
  return {
    root: element("div", { class: "side" }, levels.root, right),
    draw({ reconstruction, kl, elbo }, gap) {
      [reconstruction, -kl, elbo, evidence, gap].forEach((value, i) => {
        cells[i].textContent = number(value, i < 4 ? 2 : 3);
      });
      levels.draw(gap);
    },
  };
}

function controls(model, set, show) {
  const jumps = Object.entries(model.get("places")).map(([name, [mu, sigma]]) =>
    button(name, () => set({ mu, sigma })));
  const closer = button("look closer", () => {
    const near = closer.getAttribute("aria-pressed") !== "true";
    closer.setAttribute("aria-pressed", near);
    show(model.get(near ? "near" : "whole"));
  });
  closer.setAttribute("aria-pressed", false);
  const look = { class: "buttons", role: "group", "aria-label": "Put q at" };
  const group = element("div", look, "Put q at", ...jumps);
  return element("div", { class: "buttons" }, group, closer);
}

function render({ model, el }) {
  const x = floats(model.get("image")), evidence = model.get("log_evidence");
  const f = decoder(model.get("layers"), floats(model.get("weights")));
  const logP = logLikelihood(x, f, model.get("noise")), nodes = hermite(model.get("rule"));
  const get = () => ({ mu: model.get("mu"), sigma: model.get("sigma") });
  const set = (values) => write(model, values);
  el.classList.add("vaelib-explorer", "gap");
  const { stage, look, paper } = map(logP, x.length > 256 ? 41 : 61, el);
  const q = normal(stage, get, set);
  const picture = element("canvas", { role: "img", "aria-label": "The image x." });
  const start = terms(logP, nodes, [0, 0], [1, 1]);
  const sums = account(evidence, evidence - start.elbo, picture);
  const draw = () => {
    const { mu, sigma } = get(), now = terms(logP, nodes, mu, sigma), gap = evidence - now.elbo;
    sums.draw(now, gap);
    q(`ELBO ${number(now.elbo)}, gap ${number(gap, 3)} nats`);
    set({ elbo: now.elbo, gap });
  };
  const theme = () => { paper(); paint(picture, x, model.get("shape"), ink(el)); };
  const show = (window) => { look(window); draw(); };
  el.append(stage.root, sums.root, controls(model, set, show));
  show(model.get("whole"));
  theme();
  const quiet = onTheme(framed(theme)), still = watch(model, ["mu", "sigma"], framed(draw));
  return () => { quiet(); still(); };
}
