// Two normals moved by hand, and the divergence between them: by formula, and by draws.

const FIRST = 100, MOST = 100_000;

// The curve of one normal, its name, and the two handles on it.
function bell(stage, name, { means, widths }, get, set) {
  const curve = element("svg:path", { class: `curve ${name}` });
  const width = element("svg:path", { class: `axis ${name}` });
  const label = element("svg:text", { class: `name ${name}` }, name);
  stage.drawing.append(width, curve, label);
  const on = (z) => [z, density(z, get())];
  const mean = slider(stage, {
    name: `Mean of ${name}`, range: means, look: name, at: () => on(get()[0]),
    get: () => get()[0], set: (m) => set([m, get()[1]]), from: ([z]) => z,
  });
  const deviation = slider(stage, {
    name: `Width of ${name}`, range: widths, look: `${name} small`, at: () => on(get()[0] + get()[1]),
    get: () => get()[1], set: (s) => set([get()[0], s]), from: ([z]) => z - get()[0],
  });
  const [low, high] = stage.x;
  const grid = Array.from({ length: 241 }, (_, i) => low + (i / 240) * (high - low));
  return (result) => {
    const [m, s] = get(), [, height] = on(m + s);
    put(curve, { d: stage.path(grid.map(on)) });
    put(width, { d: stage.path([[m, height], [m + s, height]]) });
    put(label, { x: stage.X(m) + (name === "q" ? 16 : -16), y: stage.Y(on(m)[1]) - 6 });
    mean.update(`${number(m)}; ${result}`);
    deviation.update(`${number(s)}; ${result}`);
  };
}

// Averages of the log ratio against the number of draws, with the closed form as a line.
function chart(name) {
  const size = { width: 220, height: 150 };
  const stage = plane({ x: [0.3, 5.6], y: [0, 1], label: "", ...size });
  const part = (kind, look) => element(`svg:${kind}`, { class: look });
  const band = part("path", "band"), exact = part("path", "exact"), mean = part("path", "mean-line");
  const floor = part("path", "axis"), ticks = [part("text", "tick"), part("text", "tick")];
  stage.drawing.append(floor, band, exact, mean, ...ticks);
  for (const power of [1, 3, 5]) {
    const count = (10 ** power).toLocaleString("en") + (power === 1 ? " draws" : "");
    stage.text("tick", stage.X(power), size.height - 4, count);
  }
  const formula = element("p", { class: "readout" }), draws = element("p", { class: "readout" });
  const title = element("p", {}, `KL(${name}), z ~ ${name[0]}`);
  const draw = (value, path, [low, high]) => {
    const room = 0.2 * (high - low), last = path.at(-1);
    stage.y.splice(0, 2, low - room, high + room / 3);
    const at = (shift) => path.map((step) => [Math.log10(step.count), step.mean + shift * step.error]);
    const edge = (shift) => at(shift).map(([x, y]) => [x, clamp(y, [0, high])]);
    put(floor, { d: stage.path([[1, 0], [5, 0]]) });
    put(exact, { d: stage.path([[1, value], [5, value]]) });
    put(mean, { d: stage.path(at(0)) });
    put(band, { d: `${stage.path([...edge(2), ...edge(-2).reverse()])}Z` });
    [0, high].forEach((tick, i) => {
      ticks[i].textContent = number(tick, tick && tick < 1 ? 1 : 0);
      put(ticks[i], { x: stage.X(0.65), y: stage.Y(tick) + 4 });
    });
    const estimate = `${number(last.mean, 3)} ± ${number(2 * last.error, 3)}`;
    formula.textContent = `formula ${number(value, 3)} nats`;
    draws.textContent = `draws ${estimate}`;
    const label = `KL(${name}) against the number of draws: the average after `
      + `${last.count.toLocaleString("en")} is ${estimate}, the formula says ${number(value, 3)}.`;
    put(stage.drawing, { "aria-label": label });
  };
  const look = { class: `chart ${name[0]}` };
  return { root: element("div", look, title, formula, draws, stage.root), draw };
}

// Counts up to the number of draws asked for, in about a second where motion is welcome.
function growing(model, draw, done) {
  let shown = model.get("draws"), frame = 0;
  const grow = () => {
    cancelAnimationFrame(frame);
    const from = shown, to = model.get("draws"), start = performance.now();
    const still = to < from || matchMedia("(prefers-reduced-motion: reduce)").matches;
    const step = (now) => {
      const t = still ? 1 : clamp((now - start) / 1000, [0, 1]);
      shown = Math.round(from * (to / from) ** t);
      draw();
      if (t < 1) frame = requestAnimationFrame(step);
      else done();
    };
    step(start);
  };
  return { grow, shown: () => shown, stop: () => cancelAnimationFrame(frame) };
}

function buttons(model) {
  const status = element("span", { class: "readout", role: "status" });
  const ask = (draws) => () => write(model, { draws: draws() });
  const more = button("Draw more", ask(() => Math.min(10 * model.get("draws"), MOST)));
  const again = button("Start again", ask(() => FIRST));
  const tell = () => {
    const full = model.get("draws") === MOST, count = model.get("draws").toLocaleString("en");
    more.setAttribute("aria-disabled", full);
    status.textContent = `${count} draws from each${full ? ", as many as there are" : ""}`;
  };
  return { root: element("div", { class: "buttons" }, more, again, status), tell };
}

// The line of z, wide enough for every place that the handles can reach.
function line({ means, widths }) {
  const far = means[1] + 1.2 * widths[1];
  const stage = plane({
    x: [-far, far], y: [-0.09, 1.1 * density(0, [0, widths[0]])], width: 400, height: 180,
    label: "Two normal densities, q and p, over the line of z.",
  });
  const below = stage.Y(0) + 14;
  stage.drawing.append(element("svg:path", { class: "axis", d: stage.path([[-far, 0], [far, 0]]) }));
  for (let z = -4; z <= 4; z += 2) stage.text("tick", stage.X(z), below, number(z, 0));
  stage.text("tick", stage.X(far) - 8, below, "z");
  return stage;
}

// Both charts on one scale, with room for the error bars after some ten draws.
function both(eps) {
  const charts = { q: chart("q ‖ p"), p: chart("p ‖ q") };
  return {
    root: element("div", { class: "charts" }, charts.q.root, charts.p.root),
    draw(q, p, draws) {
      const pairs = { q: [q, p], p: [p, q] };
      const ends = Object.values(pairs).flatMap((pair) =>
        [-1, 1].map((side) => klNormals(...pair) + side * spread(...pair) / 3));
      const scale = [Math.min(0, ...ends), nice(Math.max(0.2, ...ends))];
      for (const [name, pair] of Object.entries(pairs))
        charts[name].draw(klNormals(...pair), running(...pair, eps[name], draws), scale);
    },
  };
}

function render({ model, el }) {
  const get = (name) => () => [model.get(`mu_${name}`), model.get(`sigma_${name}`)];
  const set = (name) => ([mu, sigma]) => write(model, { [`mu_${name}`]: mu, [`sigma_${name}`]: sigma });
  const ranges = { means: model.get("means"), widths: model.get("widths") }, stage = line(ranges);
  const bells = ["p", "q"].map((name) => bell(stage, name, ranges, get(name), set(name)));
  const charts = both({ q: normals(1, MOST), p: normals(2, MOST) }), controls = buttons(model);
  const draw = () => {
    const q = get("q")(), p = get("p")(), kl = (a, b) => number(klNormals(a, b), 3);
    charts.draw(q, p, growth.shown());
    for (const show of bells) show(`KL(q ‖ p) = ${kl(q, p)}, KL(p ‖ q) = ${kl(p, q)}`);
  };
  const growth = growing(model, draw, controls.tell);
  const still = watch(model, ["mu_q", "sigma_q", "mu_p", "sigma_p"], framed(draw));
  const fixed = watch(model, ["draws"], growth.grow);
  el.classList.add("vaelib-explorer", "gaussians");
  el.append(stage.root, charts.root, controls.root);
  draw();
  controls.tell();
  return () => { growth.stop(); still(); fixed(); };
}
